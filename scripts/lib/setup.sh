# shellcheck shell=bash
# Sourced by the commands in scripts/. `evconduit_setup` prepares the environment: uv, a CPython of the right version and
# the locked packages. It installs nothing system-wide: downloads go to $EVCONDUIT_TOOLS (a per-user folder that is safe to
# delete) and to the repository's .venv. A second run needs no network.
#
# Compatible with Bash 3.2 (macOS): no mapfile, no associative arrays.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
[ -n "${HOME:-}" ] || { unset HOME && export HOME=~; } # services may not have one; ~ still works
EVCONDUIT_TOOLS="${XDG_CACHE_HOME:-$HOME/.cache}/evconduit"
UV_MINIMUM=0.13.9 # the oldest uv tested with this lock and with scripts/audit

# Ignore the caller's settings for other Pythons and venvs. (For example, with UV_PYTHON set, uv would install into that
# interpreter.)
unset PYTHONHOME PYTHONPATH VIRTUAL_ENV UV_PYTHON
# Without bytecode, each of the hundreds of processes that the tests start would compile its modules again: 1 s of CPU.
unset PYTHONDONTWRITEBYTECODE

say() { printf '==> %s\n' "$*" >&2; }
die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}
has_command() { command -v "$1" >/dev/null 2>&1; }

# with_timeout SECONDS COMMAND…: run COMMAND with a time limit, or without one if `timeout` is not installed.
with_timeout() {
    local seconds=$1
    shift
    if has_command timeout; then timeout "$seconds" "$@"; else "$@"; fi
}

# Print the path of the project's environment, as uv chooses it.
venv_folder() {
    case ${UV_PROJECT_ENVIRONMENT:-.venv} in
    /*) printf '%s' "$UV_PROJECT_ENVIRONMENT" ;;
    *) printf '%s/%s' "$ROOT" "${UV_PROJECT_ENVIRONMENT:-.venv}" ;;
    esac
}

# Print what the environment depends on. The repository's path is part of it: a copied .venv refers to the old path.
fingerprint() {
    printf '%s\n' "$ROOT" "$(cat "$ROOT/uv.lock" "$ROOT/pyproject.toml" "$ROOT/.python-version" | cksum)"
}

is_ready() {
    local venv=$1
    [ "$(cat "$venv/.evconduit-setup" 2>/dev/null)" = "$(fingerprint)" ] && "$venv/bin/python" -I -S -c '' 2>/dev/null
}

# Print the minimum Python version: `3.14.2` for requires-python = ">=3.14.2,<3.15" in pyproject.toml.
required_python() { sed -n 's/^requires-python = ">=\([0-9.]*\),.*/\1/p' "$ROOT/pyproject.toml"; }

# is_usable PYTHON: whether it runs, is new enough, and has the complete standard library (distributions split it).
is_usable() {
    (cd / && "$1" -I - "$(required_python)" >/dev/null 2>&1) <<'PY'
import sys, sysconfig
wanted = tuple(int(number) for number in sys.argv[1].split("."))
assert sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED")
assert wanted <= sys.version_info[:3] and sys.version_info[:2] == wanted[:2]
import bz2, ctypes, lzma, multiprocessing, sqlite3, ssl, uuid, zlib, zoneinfo
PY
}

# Use the system's certificate store if there is one, as pip does: it may contain a company's certificate authority.
trust_system_certificates() {
    local store
    for store in /etc/ssl/certs/ca-certificates.crt /etc/ssl/cert.pem /etc/pki/tls/certs/ca-bundle.crt; do
        if [ -e "$store" ]; then
            export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}"
            return 0
        fi
    done
}

# Find any Python 3 that runs. It is tried in / because pyenv's shim fails if .python-version names a missing version.
find_any_python() {
    local candidate IFS=$'\n' # folders on PATH may contain spaces
    for candidate in $(type -aP python3 python) /usr/bin/python3; do
        if (cd / && "$candidate" -c 'import sys, zipimport; assert sys.version_info >= (3, 8)') >/dev/null 2>&1; then
            printf '%s' "$candidate"
            return
        fi
    done
    return 1
}

# is_new_enough UV: whether its version is at least UV_MINIMUM. Runs in the repository, where an unsuitable shim fails.
is_new_enough() {
    local version
    version=$(cd "$ROOT" && "$1" --version 2>/dev/null) || return 1
    version=${version#uv }
    [ "$(printf '%s\n%s\n' "$UV_MINIMUM" "${version%% *}" | sort -t . -k 1,1n -k 2,2n -k 3,3n | head -n 1)" = "$UV_MINIMUM" ]
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

# find_pip PYTHON: print the arguments that make PYTHON run pip: its own, the one that `venv` uses, or Debian's.
find_pip() {
    local wheel
    if (cd / && "$1" -m pip --version) >/dev/null 2>&1; then
        printf -- '-m pip'
        return
    fi
    wheel=$( (cd / && "$1" -c 'import ensurepip, glob, os
for folder in (os.path.join(os.path.dirname(ensurepip.__file__), "_bundled"), "/usr/share/python-wheels"):
    print(*glob.glob(os.path.join(folder, "pip-*.whl")), sep="\n")') 2>/dev/null | grep . | head -n 1) ||
        wheel=$(pip_from_debian "$EVCONDUIT_TOOLS/pip") || return 1
    printf '%s/pip' "$wheel" # Python can run the package inside of the wheel
}

# `--target` instead of a venv: Debian packages venv separately, and protects its Python against pip.
install_uv() {
    local python pip
    python=$(find_any_python) || die "no Python 3 was found to download uv with; install python3 with pip, or uv, and run this again"
    pip=$(find_pip "$python") || die "$python has no pip and none could be downloaded; install python3-pip, or uv, and run this again"
    say "uv: installing from PyPI to $EVCONDUIT_TOOLS/uv"
    rm -rf "$EVCONDUIT_TOOLS/uv"
    # shellcheck disable=SC2086  # "-m pip" is two words
    (cd / && PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 "$python" $pip install --quiet --disable-pip-version-check --retries 2 \
        --root-user-action=ignore --target "$EVCONDUIT_TOOLS/uv" "uv>=$UV_MINIMUM") ||
        die "pip could not install uv from PyPI; the lines above say why"
}

# Find an installed Python, downloaded ones first because they are known to work.
find_python() {
    local uv=$1 candidate
    for candidate in "$EVCONDUIT_TOOLS"/python-debian/usr/bin/python3.?? "$EVCONDUIT_TOOLS"/python-uv/*/bin/python3.?? \
        "$(UV_PYTHON_DOWNLOADS=never "$uv" python find --no-project --system ">=$(required_python)" 2>/dev/null)"; do
        if is_usable "$candidate"; then
            printf '%s' "$candidate"
            return
        fi
    done
    return 1
}

# Many networks block the host of uv's builds: one short attempt, then Debian's packages.
fetch_python() {
    local uv=$1 minor
    minor=$(required_python | cut -d . -f 1,2)
    say "CPython $minor: trying uv's download to $EVCONDUIT_TOOLS/python-uv"
    if UV_HTTP_RETRIES=0 UV_HTTP_CONNECT_TIMEOUT=4 with_timeout 300 "$uv" python install --quiet --no-bin \
        --install-dir "$EVCONDUIT_TOOLS/python-uv" "$minor" >/dev/null 2>&1; then
        return
    fi
    say "CPython $minor: uv's download is not reachable; downloading Debian's packages to $EVCONDUIT_TOOLS/python-debian"
    python_from_debian "$uv" "$minor" "$EVCONDUIT_TOOLS/python-debian" ||
        die "CPython >= $(required_python) was not found and could not be downloaded; install it (python$minor on PATH is enough) and run this again"
}

sync_packages() {
    local uv=$1 venv=$2 python
    local with=()
    if [ -e "$venv/.evconduit-setup" ] && [ "$(head -n 1 "$venv/.evconduit-setup")" != "$ROOT" ]; then
        rm -rf "$venv" # created for another repository
    fi
    if ! is_usable "$venv/bin/python"; then
        python=$(find_python "$uv") || { fetch_python "$uv" && python=$(find_python "$uv"); } ||
            die "the downloaded CPython does not work here; delete $EVCONDUIT_TOOLS and run this again, or install CPython $(required_python)"
        say "CPython: $("$python" -V 2>&1) at $python"
        with=(--python "$python")
    fi
    say "packages: syncing $venv with uv.lock (the first run downloads about 400 MB)"
    (cd "$ROOT" && UV_PYTHON_DOWNLOADS=never "$uv" sync --quiet --locked ${with[@]+"${with[@]}"}) ||
        die "uv could not install the locked packages; the lines above say why"
    fingerprint >"$venv/.evconduit-setup"
}

# Serialize concurrent runs if flock is installed. The descriptor is closed afterwards so that the caller's children don't
# hold the lock.
with_lock() {
    mkdir -p "$EVCONDUIT_TOOLS" 2>/dev/null || die "cannot create the folder $EVCONDUIT_TOOLS; set XDG_CACHE_HOME to a writable folder"
    if ! has_command flock; then
        "$@"
        return
    fi
    exec 9>"$EVCONDUIT_TOOLS/lock"
    flock -n 9 || {
        say "waiting for another setup to finish"
        flock 9
    }
    "$@" 9>&-
    exec 9>&-
}

prepare_environment() {
    local venv=$1 uv
    if is_ready "$venv"; then return; fi
    # shellcheck source=scripts/lib/debian.sh
    . "$ROOT/scripts/lib/debian.sh"
    trust_system_certificates
    find_uv >/dev/null || install_uv
    uv=$(find_uv) || die "the installed uv does not run here; install uv >= $UV_MINIMUM yourself and run this again"
    say "uv: $("$uv" --version) at $uv"
    sync_packages "$uv" "$venv"
    say "ready after $SECONDS s"
}

# Prepare the environment and set VENV_PYTHON to its interpreter.
evconduit_setup() {
    local venv
    venv=$(venv_folder)
    is_ready "$venv" || with_lock prepare_environment "$venv"
    # shellcheck disable=SC2034  # for the command that sources this file
    VENV_PYTHON=$venv/bin/python
}
