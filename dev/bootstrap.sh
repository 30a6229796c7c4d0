#!/bin/sh
# Makes .venv with everything that development, tests and the demo need, from uv.lock alone.
# Runs on a machine that has python3 and little else; says plainly what is missing otherwise.
set -eu
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

as_root_install() {
    # Debian splits venv and pip out of python3; other systems have them in one piece.
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "installing $* with apt-get"
        apt-get install -y -q "$@" >/dev/null 2>&1 ||
            { apt-get update -q >/dev/null && apt-get install -y -q "$@" >/dev/null; }
    else
        fail "missing: $*. Install it with your package manager, then run 'make setup' again."
    fi
}

python=""
for candidate in python3.12 python3.11 python3; do
    if command -v "$candidate" >/dev/null &&
        "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] ||
    fail "Python 3.11 or 3.12 is needed and 'python3 --version' says '$(python3 --version 2>&1)'." \
        "Install one as python3.12 with your package manager, then run 'make setup' again."

uv_version=$(sed -n 's/^  "uv==\(.*\)",$/\1/p' pyproject.toml)
if [ ! -x .venv/bin/uv ]; then
    "$python" -c 'import ensurepip, venv' 2>/dev/null || as_root_install python3-venv
    [ -x .venv/bin/python ] || "$python" -m venv .venv
    say "fetching uv $uv_version"
    .venv/bin/python -m ensurepip >/dev/null 2>&1 || true
    .venv/bin/python -m pip install -q --disable-pip-version-check "uv==$uv_version"
fi

stamp=.venv/.lock-in-force
if ! cmp -s uv.lock "$stamp"; then
    say "installing what uv.lock names (about 6 GB the first time)"
    # In the background, so that somebody who waits sees that it goes on. A shell lets background
    # programs ignore ^C: ending it is up to us.
    UV_LINK_MODE=${UV_LINK_MODE:-hardlink} .venv/bin/uv sync --frozen --all-extras --quiet &
    uv_pid=$!
    trap 'kill "$uv_pid" 2>/dev/null' EXIT
    trap 'exit 130' INT TERM
    waited=0
    while kill -0 "$uv_pid" 2>/dev/null; do
        sleep 1
        waited=$((waited + 1))
        [ $((waited % 10)) -ne 0 ] || say "still installing, ${waited} s"
    done
    wait "$uv_pid" || fail "uv could not install what uv.lock names; what it said stands above."
    trap - EXIT INT TERM
    cp uv.lock "$stamp"
fi
say "ready: .venv/bin/preftrain"
