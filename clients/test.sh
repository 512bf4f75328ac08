#!/usr/bin/env bash
# Tests the clients whose tools are here, and says which it skipped. With
# OMNI_REQUIRE=all a tool that is missing is a failure.
set -uo pipefail
cd "$(dirname "$0")/.."
failed=()

(cd cmd/omni && go build -o ../../bin/omni .) || exit 1
export OMNI_BIN=$PWD/bin/omni

# client NAME TOOL COMMAND...: runs the command in clients/NAME, if the tool is there.
client() {
	local name=$1 tool=$2
	shift 2
	echo "== clients/$name"
	if ! command -v "$tool" >/dev/null; then
		echo "skipped: there is no $tool"
		[ "${OMNI_REQUIRE:-}" != all ] || failed+=("$name")
		return
	fi
	(cd "clients/$name" && "$@") || failed+=("$name")
}

js() { npm ci --silent && npm test --silent && npm run --silent types; }

python() {
	[ -d .venv ] || python3 -m venv .venv || return
	.venv/bin/pip install -q hatchling pytest mypy websockets build && .venv/bin/python -m pytest -q && .venv/bin/mypy
}

rust() { cargo test -q -j 2 --all-features && cargo clippy -q --all-features --all-targets -- -D warnings; }

client js npm js
client python python3 python
client rust cargo rust
[ ${#failed[@]} = 0 ] || { echo "failed: ${failed[*]}"; exit 1; }
