"""Calls to Enode: errors and retries."""

from scripts.lib.mutation.tables import Pair, PairTable

PAIRS = (
    PairTable(
        file="relay/gateways/enode/http_request.py",
        tests=("tests/relay/gateways/enode/test_http_request.py",),
        pairs=(
            Pair(
                '(httpx.ConnectTimeout, NoResponse(cause="no connection in time", may_have_acted=False))',
                '(httpx.ConnectTimeout, NoResponse(cause="no connection in time", may_have_acted=True))',
                "a command that never left counts as possibly carried out",
            ),
            Pair(
                'no answer in time", may_have_acted=True',
                'no answer in time", may_have_acted=False',
                "a command without an answer counts as not carried out",
            ),
        ),
    ),
    PairTable(
        file="relay/gateways/enode/errors.py",
        tests=("tests/relay/gateways/enode/test_http_request.py",),
        pairs=(Pair("{1,64}", "{1,65}", "an error code that is too long is stored"),),
    ),
    PairTable(
        file="relay/gateways/enode/retry.py",
        tests=("tests/relay/gateways/enode/test_retry.py",),
        pairs=(
            Pair("max_attempts: int = 3", "max_attempts: int = 4", "Enode gets a fourth attempt"),
            Pair("timedelta(seconds=0.5)", "timedelta(seconds=0.6)", "the first retry comes too late"),
            Pair(
                "max_retry_after: timedelta = timedelta(seconds=20)",
                "max_retry_after: timedelta = timedelta(seconds=21)",
                "a call waits longer than promised for Enode",
            ),
            Pair(
                "call_timeout: timedelta = timedelta(seconds=40)",
                "call_timeout: timedelta = timedelta(seconds=41)",
                "a call to Enode takes longer than promised",
            ),
        ),
    ),
)
