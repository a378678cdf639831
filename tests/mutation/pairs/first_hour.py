"""An operator's first hour: what the commands print, the relay's address, and links."""

from scripts.lib.mutation.tables import Pair, PairTable

SUMMARY = ("tests/relay/cli/test_setup_summary.py",)
STATUS = ("tests/relay/cli/test_status_report.py",)
DOCTOR = ("tests/relay/cli/test_doctor.py", "tests/relay/test_doctor.py", "tests/relay/cli/test_new_database.py")

PAIRS = (
    PairTable(
        file="relay/settings.py",
        tests=(*SUMMARY, *DOCTOR, "tests/relay/test_settings.py"),
        pairs=(
            Pair(
                "return self.public_url is None and self.host in ALL_INTERFACES",
                "return False",
                "a relay that advertises loopback looks healthy",
            ),
            Pair(
                "if value.query is not None or value.fragment is not None:",
                "if False:",
                "a public address with a query is accepted",
            ),
            Pair(
                'if not PUBLIC_PATH.fullmatch((value.path or "").rstrip("/")):',
                "if False:",
                "a public address with any path is accepted",
            ),
        ),
    ),
    PairTable(
        file="relay/doctor.py",
        tests=DOCTOR,
        pairs=(
            Pair("    if settings.advertises_loopback:\n", "    if False:\n", "links of loopback are no problem"),
            Pair("    if not is_private(settings.data):", "    if False:", "an open data folder is no problem"),
            Pair("    if can_become_owner:", "    if False:", "a login that owns the schema isn't named"),
        ),
    ),
    PairTable(
        file="relay/cli/setup_summary.py",
        tests=SUMMARY,
        pairs=(
            Pair("    yield _describe_address(settings)\n", "", "the address isn't printed"),
            Pair("    yield _describe_enode(settings)\n", "", "missing credentials aren't named"),
            Pair("    yield _describe_updates(settings)\n", "", "updates aren't named"),
            Pair("    yield _describe_sign_in(settings)\n", "", "sign-in isn't named"),
            Pair("        if row.next_step:", "        if False:", "no next step is printed"),
            Pair("    if settings.advertises_loopback:", "    if False:", "loopback links are no problem"),
        ),
    ),
    PairTable(
        file="relay/cli/status_report.py",
        tests=STATUS,
        pairs=(
            Pair("        if age >= STUCK_SECONDS:", "        if False:", "a worker that doesn't run isn't named"),
            Pair('    if broken := cars.get("broken"):', "    if broken := None:", "broken cars aren't named"),
            Pair('("Paused", "; ".join(', '("Paused", ", ".join(', "paused parts run together"),
            Pair('"nothing yet" if seconds is None', '"now" if seconds is None', "Enode's silence isn't named"),
        ),
    ),
    PairTable(
        file="relay/kit/public_path.py",
        tests=("tests/relay/pages/test_public_path.py",),
        pairs=(
            Pair(
                'return path.removeprefix(scope.get("root_path", ""))',
                "return path",
                "a page below a path leads to the wrong one",
            ),
            Pair('"path": self._prefix + scope["path"]', '"path": scope["path"]', "links below a path lead elsewhere"),
            Pair('"root_path": self._prefix, ', "", "links lose the path"),
        ),
    ),
    PairTable(
        file="relay/kit/request_address.py",
        tests=("tests/relay/kit/test_request_address.py",),
        pairs=(
            Pair(
                'return "." not in name or name.endswith(_PRIVATE_SUFFIXES)',
                "return True",
                "a link is built from a name that anyone can register",
            ),
            Pair(
                ' and not name.rpartition(".")[2].isdigit()', "", "a name that browsers read as an address is accepted"
            ),
        ),
    ),
)
