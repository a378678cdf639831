"""Errors of Supabase Auth: as JSON in the format of the requested API version, or in the redirect URL."""

from urllib.parse import urlencode, urlsplit, urlunsplit

from starlette.responses import JSONResponse, RedirectResponse

VERSION_HEADER = "X-Supabase-Api-Version"
_OAUTH_ERRORS = {400: "invalid_request", 401: "unauthorized_client", 403: "access_denied", 500: "server_error"}
# Codes that providers report as `access_denied`, whatever their status.
_DENIALS = {"signup_disabled", "user_banned", "provider_email_needs_verification"}


class Refusal(Exception):  # noqa: N818 - named after SupabaseRefused
    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.code, self.message = status, code, message

    def as_query(self, *, by_provider=False):
        """Query parameters for the redirect. For an emailed link, `error` depends on the status only, or is absent."""
        error = _OAUTH_ERRORS.get(self.status, "server_error" if by_provider else None)
        if by_provider and self.code in _DENIALS:
            error = "access_denied"
        fields = {"error": error, "error_code": self.code, "error_description": self.message}
        return {name: value for name, value in fields.items() if value}


class GatewayRefusal(Exception):  # noqa: N818 - named after SupabaseRefused
    """Refusal of the API gateway in front of Supabase Auth, which has no error codes."""


async def refuse(request, refusal):
    if request.headers.get(VERSION_HEADER, "") >= "2024-01-01":
        body, headers = {"code": refusal.code, "message": refusal.message}, {VERSION_HEADER: "2024-01-01"}
    else:
        body, headers = {"code": refusal.status, "error_code": refusal.code, "msg": refusal.message}, {}
    return JSONResponse(body, refusal.status, headers={**headers, "x-sb-error-code": refusal.code})


async def refuse_at_gateway(_request, _refusal):
    return JSONResponse({"message": "Invalid API key", "hint": "Double check your Supabase API key."}, 401)


def redirect_back(url, status, *, query=None, fragment=None):
    """Redirect to the application, with `query` added to the query of the URL."""
    parts = urlsplit(url)
    query_string = "&".join(part for part in (parts.query, urlencode(query or {})) if part)
    return RedirectResponse(urlunsplit(parts._replace(query=query_string, fragment=urlencode(fragment or {}))), status)
