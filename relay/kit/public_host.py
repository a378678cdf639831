"""The name under which a relay is reached: pages are served under the public one, and no answer repeats another.

A client that can make a browser or a cache send a request with a `Host` of its choice could otherwise have the relay
send people to that host.
"""

import logging
from collections.abc import Callable
from http import HTTPStatus
from ipaddress import ip_address
from urllib.parse import quote, urlsplit

from starlette.responses import RedirectResponse
from starlette.routing import Match, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from relay.kit.ingress import is_ingress_scope
from relay.kit.outbound_rules import is_hostname
from relay.kit.public_path import get_route_path

log = logging.getLogger(__name__)

_PATH_CHARACTERS = "/:@!$&'()*+,;=-._~"
_SAFE_METHODS = frozenset({"GET", "HEAD"})


def parse_trusted_hosts(text: str) -> frozenset[str]:
    """Parse a comma-separated list of host names and addresses. Raises ValueError with the number of a wrong entry."""
    hosts = set()
    for number, entry in enumerate((part.strip() for part in text.split(",")), start=1):
        if not entry:
            continue
        host = normalize_host(entry)
        if host is None or (":" in entry and "[" not in entry and ":" not in host):
            raise ValueError(f"entry {number} is neither a host name such as relay.lan nor an address, without a port")
        hosts.add(host)
    return frozenset(hosts)


def normalize_host(text: str) -> str | None:
    """Return the host of a `Host` header in one spelling, without the port; None if it isn't one."""
    host = text.strip().lower()
    try:
        return str(ip_address(host))
    except ValueError:
        pass
    try:
        parts = urlsplit(f"//{host}")
        host, _port = (parts.hostname or "").removesuffix("."), parts.port
        if parts.path or parts.query or parts.fragment or "@" in parts.netloc:
            return None
        return host if is_hostname(host) else str(ip_address(host))
    except ValueError:
        return None


def is_loopback_host(host: str) -> bool:
    """Whether a normalized host always means the client's own machine (RFC 6761, section 6.3, for names)."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class PublicHostMiddleware:
    """Middleware of a relay with a public URL: pages that are requested on another host redirect to the public one.

    `is_page` is given the path of the route. On paths that aren't pages every host is accepted, because clients and
    monitoring use internal names, and redirects there lead to the public URL, too.
    """

    def __init__(
        self, app: ASGIApp, *, public_url: str, trusted_hosts: frozenset[str], is_page: Callable[[str], bool]
    ) -> None:
        self._app = app
        self._public_url = public_url
        parts = urlsplit(public_url)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._trusted_hosts = trusted_hosts | {normalize_host(parts.netloc)}
        self._is_page = is_page
        self._has_logged = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102 - ASGI
        if scope["type"] != "http" or is_ingress_scope(scope) or self._is_trusted(scope):
            await self._app(scope, receive, send)
        elif self._is_page(get_route_path(scope)):
            await self._redirect(scope, receive, send)
        else:
            await self._app(scope, receive, self._complete_location(send))

    def _is_trusted(self, scope: Scope) -> bool:
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        host = normalize_host(hosts[0]) if len(hosts) == 1 else None
        return host is not None and (host in self._trusted_hosts or is_loopback_host(host))

    async def _redirect(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._has_logged:
            self._has_logged = True
            log.warning("page redirected to EVCONDUIT_PUBLIC_URL reason=unknown_host setting=EVCONDUIT_TRUSTED_HOSTS")
        status = HTTPStatus.TEMPORARY_REDIRECT if scope["method"] in _SAFE_METHODS else HTTPStatus.SEE_OTHER
        location = self._public_url + build_location(get_route_path(scope), scope["query_string"])
        response = RedirectResponse(location, status, headers={"Cache-Control": "no-store"})
        await response(scope, receive, send)

    def _complete_location(self, send: Send) -> Send:
        async def send_completed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    (name, self._origin.encode() + value if name == b"location" and value[:1] == b"/" else value)
                    for name, value in message["headers"]
                ]
            await send(message)

        return send_completed


class SlashRedirect:
    """The ASGI app for paths without a route: a redirect if the path has one with or without a slash at the end.

    Starlette's own redirect contains the request's `Host`; this one is relative.
    """

    def __init__(self, router: Router) -> None:
        self._router = router
        self._not_found = router.default

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102 - ASGI
        if scope["type"] == "http" and get_route_path(scope) != "/":
            path = scope["path"]
            other_path = path.rstrip("/") if path.endswith("/") else path + "/"
            other_scope = {**scope, "path": other_path}
            if any(route.matches(other_scope)[0] is not Match.NONE for route in self._router.routes):
                response = RedirectResponse(build_location(other_path, scope["query_string"]))
                await response(scope, receive, send)
                return
        await self._not_found(scope, receive, send)


def build_location(path: str, query: bytes) -> str:
    """Build a URL relative to the origin. Never starts with two slashes: that would name another host."""
    location = "/" + quote(path.lstrip("/"), safe=_PATH_CHARACTERS)
    return f"{location}?{query.decode('latin-1')}" if query else location
