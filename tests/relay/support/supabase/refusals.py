"""Errors of Supabase Auth: as JSON in the format of the requested API version, or in the redirect URL."""

from urllib.parse import quote, urlencode, urlsplit, urlunsplit
from uuid import uuid4

from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

VERSION_HEADER = "X-Supabase-Api-Version"
UNEXPECTED = "Unexpected failure, please check server logs for more information"
_OAUTH_ERRORS = {400: "invalid_request", 401: "unauthorized_client", 403: "access_denied", 500: "server_error"}
# Codes that providers report as `access_denied`, whatever their status.
_DENIALS = {"signup_disabled", "user_banned", "provider_email_needs_verification"}


class Refusal(Exception):  # noqa: N818 - named after SupabaseRefused
    def __init__(self, status, code, message, *, has_error_id=False):
        super().__init__(message)
        self.status, self.code, self.message, self.has_error_id = status, code, message, has_error_id

    def as_query(self, *, by_provider=False):
        """Query parameters for the redirect. For an emailed link, `error` depends on the status only, or is absent."""
        error = _OAUTH_ERRORS.get(self.status, "server_error" if by_provider else None)
        if by_provider and self.code in _DENIALS:
            error = "access_denied"
        fields = {"error": error, "error_code": self.code, "error_description": self.message}
        return {name: value for name, value in fields.items() if value}


class ServerFailure(Exception):  # noqa: N818 - named after SupabaseRefused
    """A failure of the server, which has neither the header of its error code nor another format."""

    def __init__(self, message=UNEXPECTED, *, status=500, code="unexpected_failure"):
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


async def refuse(request, refusal):
    if request.headers.get(VERSION_HEADER, "") >= "2024-01-01":
        body, headers = {"code": refusal.code, "message": refusal.message}, {VERSION_HEADER: "2024-01-01"}
    else:
        body, headers = {"code": refusal.status, "error_code": refusal.code, "msg": refusal.message}, {}
    if refusal.has_error_id:
        body["error_id"] = str(uuid4())
    return JSONResponse(body, refusal.status, headers={**headers, "x-sb-error-code": refusal.code})


async def fail(_request, failure):
    return JSONResponse({"code": failure.status, "error_code": failure.code, "msg": failure.message}, failure.status)


async def answer_unknown_path(_request, _error):
    return PlainTextResponse("404 page not found\n", 404)


async def answer_wrong_method(_request, _error):
    return Response(status_code=405)


def redirect_back(url, status, *, query=None, fragment=None):
    """Redirect to the application, with `query` added to the query of the URL.

    The server encodes the fragment twice, except for its spaces, and ends it with `sb=`.
    """
    parts = urlsplit(url)
    query_string = "&".join(part for part in (parts.query, urlencode(query or {})) if part)
    encoded = "" if fragment is None else f"{quote(urlencode(fragment), safe='=&+')}&sb="
    return RedirectResponse(urlunsplit(parts._replace(query=query_string, fragment=encoded)), status)
