"""How Supabase Auth says no: in JSON of two shapes, by the version asked for, or in the address it leads back to."""

from urllib.parse import urlencode, urlsplit, urlunsplit

from starlette.responses import JSONResponse, RedirectResponse

VERSION = "X-Supabase-Api-Version"
_OAUTH = {400: "invalid_request", 401: "unauthorized_client", 403: "access_denied", 500: "server_error"}
# Whatever their status, these are told to the browser as a denial.
_DENIALS = {"signup_disabled", "user_banned", "provider_email_needs_verification"}


class Refusal(Exception):  # noqa: N818 - it is one
    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.code, self.message = status, code, message

    def as_query(self, *, by_provider=False):
        """Fields for an address. In a mail's link the status alone decides what `error` says, if anything."""
        error = _OAUTH.get(self.status, "server_error" if by_provider else None)
        if by_provider and self.code in _DENIALS:
            error = "access_denied"
        about = {"error": error, "error_code": self.code, "error_description": self.message}
        return {name: value for name, value in about.items() if value}


class GatewayRefusal(Exception):  # noqa: N818 - it is one
    """Of the gateway before Supabase Auth, which knows of no codes."""


async def refuse(request, refusal):
    if request.headers.get(VERSION, "") >= "2024-01-01":
        body, headers = {"code": refusal.code, "message": refusal.message}, {VERSION: "2024-01-01"}
    else:
        body, headers = {"code": refusal.status, "error_code": refusal.code, "msg": refusal.message}, {}
    return JSONResponse(body, refusal.status, headers={**headers, "x-sb-error-code": refusal.code})


async def refuse_at_the_gateway(_request, _refusal):
    return JSONResponse({"message": "Invalid API key", "hint": "Double check your Supabase API key."}, 401)


def lead_back(to, status, *, query=None, fragment=None):
    """To an address of the application, with what is said added to what it has."""
    parts = urlsplit(to)
    added = "&".join(it for it in (parts.query, urlencode(query or {})) if it)
    return RedirectResponse(urlunsplit(parts._replace(query=added, fragment=urlencode(fragment or {}))), status)
