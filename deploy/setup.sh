#!/bin/sh
# Prepares a source tree: `sh deploy/setup.sh run` makes .venv with Passerelle installed from this folder,
# `sh deploy/setup.sh test` adds the test tools and the Debian packages whose servers the tests start.
# Each finishes with a stamp (.venv/ready-run, .venv/ready-test), so that make calls it only when needed.
set -eu
cd "$(dirname "$0")/.."

python="${PYTHON:-python3}"

# Debian package, and a file that proves it is there. The tests start these programs themselves,
# on private ports and in temporary folders; the distribution's own services are never used.
test_packages="
rabbitmq-server /usr/lib/rabbitmq/bin/rabbitmq-server
strace          /usr/bin/strace
dcmtk           /usr/bin/storescu
gcc             /usr/bin/gcc
libc6-dev       /usr/include/stdio.h
systemd         /usr/bin/systemd-analyze
"

say() { printf 'setup: %s\n' "$*" >&2; }

fail() {
    say "$*"
    exit 1
}

# Install Debian packages without starting or enabling the services that come with some of them.
install_packages() {
    why="$1"
    shift
    command -v apt-get >/dev/null || fail "$why needs $*; there is no apt-get here: install the equivalent and try again"
    [ "$(id -u)" -eq 0 ] || fail "$why needs Debian packages. Run: sudo apt-get install --no-install-recommends $*"
    say "installing Debian packages for $why: $*"
    policy=/usr/sbin/policy-rc.d
    made_policy=no
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
        made_policy=yes
        trap 'rm -f "$policy"' EXIT INT TERM
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq || say "apt-get update failed; trying with the package lists at hand"
    log=$(mktemp)
    if ! apt-get install -y -qq -o Dpkg::Use-Pty=0 --no-install-recommends "$@" >"$log" 2>&1; then
        cat "$log" >&2
        fail "apt-get could not install: $*"
    fi
    rm -f "$log"
    if [ "$made_policy" = yes ]; then
        rm -f "$policy"
        trap - EXIT INT TERM
    fi
    if [ -d /run/systemd/system ]; then
        for package in "$@"; do
            dpkg-query -L "$package" | sed -n 's|^.*/systemd/system/\([^/@]*\.service\)$|\1|p' | while read -r unit; do
                systemctl disable --quiet "$unit" || say "could not disable $unit"
            done
        done
    fi
}

check_python() {
    command -v "$python" >/dev/null || fail "no $python here; install Python 3.11 or later, or say PYTHON=/path/to/python3"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "$python is $("$python" -V 2>&1); Passerelle needs Python 3.11 or later (say PYTHON=/path/to/python3)"
}

make_environment() {
    check_python
    if .venv/bin/python -m pip --version >/dev/null 2>&1; then
        return
    fi
    "$python" -c 'import ensurepip, venv' 2>/dev/null || install_packages "python3 -m venv" python3-venv
    say "making a virtual environment in .venv"
    "$python" -m venv --clear .venv
}

# $1 = what to install, for example ".[test]"
install_python_packages() {
    say "installing $1 and what it depends on into .venv"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input --editable "$1" >&2 ||
        fail "pip could not install $1; the lines above say why"
}

install_test_servers() {
    missing=""
    while read -r package program; do
        [ -z "$package" ] || [ -e "$program" ] || missing="$missing $package"
    done <<LIST
$test_packages
LIST
    # shellcheck disable=SC2086 # one word per package
    [ -z "$missing" ] || install_packages "make test" $missing
}

case "${1:-}" in
run)
    make_environment
    install_python_packages .
    touch .venv/ready-run
    ;;
test)
    make_environment
    install_test_servers
    install_python_packages ".[test]"
    touch .venv/ready-run .venv/ready-test
    ;;
*)
    fail "usage: sh deploy/setup.sh run|test"
    ;;
esac
