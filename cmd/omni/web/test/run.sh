#!/usr/bin/env bash
# Tests the page of omni serve in Chromium. Without Node or Chromium that is
# skipped; with OMNI_REQUIRE=all it is a failure then.
set -euo pipefail
cd "$(dirname "$0")"

missing=
command -v npm >/dev/null || missing="npm (Debian's package npm)"
[ -x "${OMNI_CHROMIUM:-/usr/bin/chromium}" ] || missing="Chromium (Debian's package chromium, or OMNI_CHROMIUM=/path/to/it)"
if [ -n "$missing" ]; then
	echo "the page's tests are skipped: there is no $missing"
	[ "${OMNI_REQUIRE:-}" != all ] || exit 1
	exit
fi

(cd ../.. && go build -o ../../bin/omni .)
export OMNI_BIN=${OMNI_BIN:-$(cd ../../../.. && pwd)/bin/omni}
npm ci --silent
exec npm test --silent -- "$@"
