# shellcheck shell=bash
# Sourced by the commands in scripts/. `evconduit_setup` makes this tree's environment ready: uv, a CPython of the right
# version, the locked packages. Nothing of the system is installed or changed: what is fetched lies in $EVCONDUIT_TOOLS
# (a folder of this user's, safe to delete) and in the tree's .venv. A second run needs no network.
#
# Bash 3.2 on purpose (macOS): no mapfile, no associative arrays.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
[ -n "${HOME:-}" ] || { unset HOME && export HOME=~; } # a service may have none; bash still knows the user's
EVCONDUIT_TOOLS="${XDG_CACHE_HOME:-$HOME/.cache}/evconduit"
UV_WANTED=0.9.0 # the oldest uv that was tried with this lock

# What a caller has set for a Python or a venv of their own must not steer ours. (With UV_PYTHON set, for one, uv would
# install into that interpreter.)
unset PYTHONHOME PYTHONPATH VIRTUAL_ENV UV_PYTHON

say() { printf '==> %s\n' "$*" >&2; }
die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# bounded SECONDS COMMAND…: where the machine has `timeout`; elsewhere the command's own limits must do.
bounded() {
    local seconds=$1
    shift
    if have timeout; then timeout "$seconds" "$@"; else "$@"; fi
}

# The project's environment, as uv itself would place it.
venv_folder() {
    case ${UV_PROJECT_ENVIRONMENT:-.venv} in
    /*) printf '%s' "$UV_PROJECT_ENVIRONMENT" ;;
    *) printf '%s/%s' "$ROOT" "${UV_PROJECT_ENVIRONMENT:-.venv}" ;;
    esac
}

# What the environment was made from. The tree's place is part of it: a copied .venv still points into the old tree.
fingerprint() {
    printf '%s\n' "$ROOT" "$(cat "$ROOT/uv.lock" "$ROOT/pyproject.toml" "$ROOT/.python-version" | cksum)"
}

is_ready() {
    local venv=$1
    [ "$(cat "$venv/.evconduit-setup" 2>/dev/null)" = "$(fingerprint)" ] && "$venv/bin/python" -I -S -c '' 2>/dev/null
}

# The interpreter that the lock is for: `3.14.2` out of requires-python = ">=3.14.2,<3.15" in pyproject.toml.
python_wanted() { sed -n 's/^requires-python = ">=\([0-9.]*\),.*/\1/p' "$ROOT/pyproject.toml"; }

# is_usable PYTHON: it runs, is new enough, and its standard library is whole (distributions split it up).
is_usable() {
    (cd / && "$1" -I - "$(python_wanted)" >/dev/null 2>&1) <<'PY'
import sys, sysconfig
wanted = tuple(int(number) for number in sys.argv[1].split("."))
assert sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED")
assert wanted <= sys.version_info[:3] and sys.version_info[:2] == wanted[:2]
import bz2, ctypes, lzma, multiprocessing, sqlite3, ssl, uuid, zlib, zoneinfo
PY
}

# Companies put their own certificate authority into the system's store: read that, as pip does, where there is one.
trust_system_certificates() {
    local store
    for store in /etc/ssl/certs/ca-certificates.crt /etc/ssl/cert.pem /etc/pki/tls/certs/ca-bundle.crt; do
        if [ -e "$store" ]; then
            export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}"
            return 0
        fi
    done
}

# Any Python 3 that runs here. Tried from / because pyenv's shim fails wherever a .python-version asks for more than it has.
any_python() {
    local candidate IFS=$'\n' # folders on PATH may have spaces
    for candidate in $(type -aP python3 python) /usr/bin/python3; do
        if (cd / && "$candidate" -c 'import sys, zipimport; assert sys.version_info >= (3, 8)') >/dev/null 2>&1; then
            printf '%s' "$candidate"
            return
        fi
    done
    return 1
}

# is_new_enough UV: its version is at least UV_WANTED. Asked in the tree, where a shim that cannot serve us fails.
is_new_enough() {
    local version
    version=$(cd "$ROOT" && "$1" --version 2>/dev/null) || return 1
    version=${version#uv }
    [ "$(printf '%s\n%s\n' "$UV_WANTED" "${version%% *}" | sort -t . -k 1,1n -k 2,2n -k 3,3n | head -n 1)" = "$UV_WANTED" ]
}

find_uv() {
    local candidate IFS=$'\n'
    for candidate in "$EVCONDUIT_TOOLS/uv/bin/uv" $(type -aP uv); do
        if is_new_enough "$candidate"; then
            printf '%s' "$candidate"
            return
        fi
    done
    return 1
}

# pip_of PYTHON: what to run after that Python to have pip: its own, the one that `venv` would use, or Debian's.
pip_of() {
    local wheel
    if (cd / && "$1" -m pip --version) >/dev/null 2>&1; then
        printf -- '-m pip'
        return
    fi
    wheel=$( (cd / && "$1" -c 'import ensurepip, glob, os
for folder in (os.path.join(os.path.dirname(ensurepip.__file__), "_bundled"), "/usr/share/python-wheels"):
    print(*glob.glob(os.path.join(folder, "pip-*.whl")), sep="\n")') 2>/dev/null | grep . | head -n 1) ||
        wheel=$(pip_from_debian "$EVCONDUIT_TOOLS/pip") || return 1
    printf '%s/pip' "$wheel" # Python runs the folder inside the wheel as a program
}

# `--target` and not a venv: Debian splits venv off, and marks its Python as not to be installed into.
install_uv() {
    local python pip
    python=$(any_python) || die "no Python 3 was found to fetch uv with; install python3 with pip, or uv, and run this again"
    pip=$(pip_of "$python") || die "$python has no pip and none could be fetched; install python3-pip, or uv, and run this again"
    say "uv: installing from PyPI into $EVCONDUIT_TOOLS/uv"
    rm -rf "$EVCONDUIT_TOOLS/uv"
    # shellcheck disable=SC2086  # "-m pip" is two words
    (cd / && PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 "$python" $pip install --quiet --disable-pip-version-check --retries 2 \
        --root-user-action=ignore --target "$EVCONDUIT_TOOLS/uv" "uv>=$UV_WANTED") ||
        die "pip could not install uv from PyPI; the lines above say why"
}

# What is here already, ours first: an interpreter we fetched was seen to work.
find_python() {
    local uv=$1 candidate
    for candidate in "$EVCONDUIT_TOOLS"/python-debian/usr/bin/python3.?? "$EVCONDUIT_TOOLS"/python-uv/*/bin/python3.?? \
        "$(UV_PYTHON_DOWNLOADS=never "$uv" python find --no-project --system ">=$(python_wanted)" 2>/dev/null)"; do
        if is_usable "$candidate"; then
            printf '%s' "$candidate"
            return
        fi
    done
    return 1
}

# uv's own builds come from a host that many networks do not let through: one short try to connect, then the next way.
fetch_python() {
    local uv=$1 minor
    minor=$(python_wanted | cut -d . -f 1,2)
    say "CPython $minor: trying uv's download into $EVCONDUIT_TOOLS/python-uv"
    if UV_HTTP_RETRIES=0 UV_HTTP_CONNECT_TIMEOUT=4 bounded 300 "$uv" python install --quiet --no-bin \
        --install-dir "$EVCONDUIT_TOOLS/python-uv" "$minor" >/dev/null 2>&1; then
        return
    fi
    say "CPython $minor: no way to uv's download; taking Debian's packages into $EVCONDUIT_TOOLS/python-debian"
    python_from_debian "$uv" "$minor" "$EVCONDUIT_TOOLS/python-debian" ||
        die "CPython >= $(python_wanted) was neither found nor could it be fetched; install it (python$minor on PATH is enough) and run this again"
}

sync_packages() {
    local uv=$1 venv=$2 python
    local with=()
    if [ -e "$venv/.evconduit-setup" ] && [ "$(head -n 1 "$venv/.evconduit-setup")" != "$ROOT" ]; then
        rm -rf "$venv" # ours, but made for another tree
    fi
    if ! is_usable "$venv/bin/python"; then
        python=$(find_python "$uv") || { fetch_python "$uv" && python=$(find_python "$uv"); } ||
            die "the CPython that was fetched does not work here; delete $EVCONDUIT_TOOLS and run this again, or install CPython $(python_wanted)"
        say "CPython: $("$python" -V 2>&1) at $python"
        with=(--python "$python")
    fi
    say "packages: syncing $venv with uv.lock (the first time fetches about 400 MB)"
    (cd "$ROOT" && UV_PYTHON_DOWNLOADS=never "$uv" sync --quiet --locked ${with[@]+"${with[@]}"}) ||
        die "uv could not install the locked packages; the lines above say why"
    fingerprint >"$venv/.evconduit-setup"
}

# Two runs at once wait for each other, where the machine has flock. The lock's descriptor is closed afterwards, or what
# the caller starts would hold it.
with_lock() {
    mkdir -p "$EVCONDUIT_TOOLS" 2>/dev/null || die "cannot make the folder $EVCONDUIT_TOOLS; set XDG_CACHE_HOME to one that is yours"
    if ! have flock; then
        "$@"
        return
    fi
    exec 9>"$EVCONDUIT_TOOLS/lock"
    flock -n 9 || {
        say "another set-up is running; waiting for it"
        flock 9
    }
    "$@" 9>&-
    exec 9>&-
}

make_ready() {
    local venv=$1 uv
    if is_ready "$venv"; then return; fi
    # shellcheck source=scripts/lib/debian.sh
    . "$ROOT/scripts/lib/debian.sh"
    trust_system_certificates
    find_uv >/dev/null || install_uv
    uv=$(find_uv) || die "the uv that was installed does not run here; install uv >= $UV_WANTED yourself and run this again"
    say "uv: $("$uv" --version) at $uv"
    sync_packages "$uv" "$venv"
    say "ready after $SECONDS s"
}

# Makes the environment ready and sets VENV_PYTHON, its interpreter.
evconduit_setup() {
    local venv
    venv=$(venv_folder)
    is_ready "$venv" || with_lock make_ready "$venv"
    # shellcheck disable=SC2034  # for the command that sourced us
    VENV_PYTHON=$venv/bin/python
}
