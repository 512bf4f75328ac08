#!/usr/bin/env bash
# Tests the clients whose tools are here, or those that the arguments name
# (js, python, rust). It ends with a list of what was run, what failed, and what
# was skipped and why. With OMNI_REQUIRE=all a skip is a failure, too.
#
# Needed: npm; python3 with venv, and openssl; cargo with clippy and rustfmt;
# and for the tests with the project's tool go, or the tool as OMNI_BIN.
set -uo pipefail
cd "$(dirname "$0")/.."
root=$PWD
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
report=()
bad=0

# step NAME COMMAND...: runs it, and notes how it went.
step() {
	local name=$1 began=$SECONDS
	shift
	echo "== $name: $*"
	if "$@"; then
		report+=("ok       $name ($((SECONDS - began)) s)")
	else
		report+=("FAILED   $name ($((SECONDS - began)) s): $*")
		bad=1
		return 1
	fi
}

# skip NAME WHY
skip() {
	report+=("skipped  $1: $2")
	[ "${OMNI_REQUIRE:-}" != all ] || bad=1
}

# has NAME WHAT COMMAND...: says whether the command succeeds; if not, NAME is
# skipped, for want of WHAT.
has() {
	local name=$1 what=$2
	shift 2
	"$@" >/dev/null 2>&1 && return
	skip "$name" "there is no $what"
	return 1
}

tool() {
	[ -z "${OMNI_BIN:-}" ] || return
	has "tests with the project's tool" go go version || return
	step "omni" go -C cmd/omni build -o "$root/bin/omni" . && export OMNI_BIN=$root/bin/omni
}

js() {
	has js npm npm --version || return
	cd "$root/clients/js" || exit
	step "js: install" npm ci --silent || return
	step "js: tests" npm test --silent
	step "js: types" npm run --silent types
	step "js: size" npm run --silent size
}

python() {
	has python "python3 with venv" python3 -c "import ensurepip, venv" || return
	cd "$root/clients/python" || exit
	[ -x .venv/bin/pip ] || step "python: environment" python3 -m venv .venv || return
	step "python: install" .venv/bin/pip install -q build hatchling mypy pytest "websockets>=15" || return
	step "python: tests" .venv/bin/python -m pytest -q -rs
	step "python: mypy" .venv/bin/mypy
	step "python: wheel" .venv/bin/python -m build -q --no-isolation --wheel --outdir "$scratch" && python_wheel
}

# The wheel by itself, in an environment and a folder of its own.
python_wheel() {
	[ -n "${OMNI_BIN:-}" ] || { skip "python: the wheel, installed" "there is no omni to run it with"; return; }
	local bare=$scratch/bare web=$scratch/web wheel
	wheel=$(echo "$scratch"/omnistreams-*.whl)
	step "python: environments" python3 -m venv "$bare" "$web" || return
	step "python: install the wheel" "$bare/bin/pip" install -q "$wheel" &&
		step "python: the wheel, installed" "$bare/bin/python" -I tests/installed.py "$OMNI_BIN"
	step "python: install the wheel with websocket" "$web/bin/pip" install -q "${wheel}[websocket]" &&
		step "python: the wheel with websocket" "$web/bin/python" -I tests/installed.py "$OMNI_BIN" websocket
}

rust_features() {
	local features
	for features in "" websocket tls json; do
		cargo clippy -q --all-targets --features "$features" -- -D warnings || return
	done
}

rust() {
	has rust cargo cargo --version || return
	cd "$root/clients/rust" || exit
	cargo --version
	has "rust: format" rustfmt cargo fmt --version && step "rust: format" cargo fmt --check
	if has "rust: clippy" clippy cargo clippy --version; then
		step "rust: clippy" cargo clippy -q --all-features --all-targets -- -D warnings
		step "rust: clippy for each feature" rust_features
	fi
	step "rust: docs" env RUSTDOCFLAGS="-D warnings" cargo doc -q --no-deps --all-features
	step "rust: tests and doctests" cargo test -q --all-features
}

tool
[ $# -gt 0 ] || set -- js python rust
for client; do
	case $client in
	js | python | rust) "$client" ;;
	*) skip "$client" "there is no such client" && bad=1 ;;
	esac
	cd "$root" || exit 1
done
echo "== clients, $SECONDS s"
printf '%s\n' "${report[@]}"
exit $bad
