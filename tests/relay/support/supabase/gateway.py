"""The API gateway in front of Supabase Auth: which routes want an API key, and what it answers without a valid one."""

from starlette.responses import JSONResponse

from tests.relay.support.supabase.refusals import Refusal

ANON, SECRET = "sb_publishable_test", "sb_secret_test"
BASE = "/auth/v1"

_JSON = "application/json; charset=utf-8"
_MISSING = {
    "message": "No API key found in request",
    "hint": "No `apikey` request header or url param was found.",
}
_INVALID = {
    "message": "Invalid API key",
    "hint": "Double check your Supabase `anon` or `service_role` API key.",
}


class GatewayRefusal(Exception):  # noqa: N818 - named after SupabaseRefused
    """Refusal of the gateway, which has no error codes."""

    def __init__(self, body):
        super().__init__(body["message"])
        self.body = body


async def refuse_at_gateway(_request, refusal):
    return JSONResponse(refusal.body, 401, media_type=_JSON)


def require_key(request, *keys):
    """Require one of these API keys. Raises GatewayRefusal, and Refusal if only another role may do this."""
    key = request.headers.get("apikey") or request.query_params.get("apikey")
    if not key:
        raise GatewayRefusal(_MISSING)
    if key not in {ANON, SECRET}:
        raise GatewayRefusal(_INVALID)
    if key not in keys:
        raise Refusal(403, "not_admin", "User not allowed")


async def parse_body(request):
    """The JSON body. Raises Refusal if there is none."""
    try:
        return await request.json()
    except ValueError:
        message = "Could not parse request body as JSON: unexpected end of JSON input"
        raise Refusal(400, "bad_json", message) from None
