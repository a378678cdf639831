"""A test double of Supabase Auth, because the real server can't be installed here (docs/decisions/0017).

It implements the part of the protocol that the relay uses through the vendor's own Python client: PKCE, one-time links
by email (kept in a list), a provider that accepts everybody, ES256 tokens with their public keys, and the admin API.
It answers as the real server was observed to answer: `observed.json` is the table, `test_observed.py` compares.
"""

import itertools
import json
import secrets
import time
from contextlib import asynccontextmanager
from fnmatch import fnmatchcase
from functools import partial
from ipaddress import ip_address
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.relay.support.serving import serve_app
from tests.relay.support.supabase import admin_routes, email_routes, provider_routes, session_routes
from tests.relay.support.supabase.flows import Flows, Links, SupabaseAccount
from tests.relay.support.supabase.gateway import ANON, BASE, SECRET, GatewayRefusal, refuse_at_gateway
from tests.relay.support.supabase.refusals import (
    Refusal,
    ServerFailure,
    answer_unknown_path,
    answer_wrong_method,
    fail,
    refuse,
)

__all__ = ["ANON", "BASE", "SECRET", "SigningKey", "SupabaseDouble", "serve_supabase"]

SHARED_SECRET = "the shared secret of an older project"
"""What a project without signing keys signs with (HS256)."""
ASKS_PER_ADDRESS = 30
"""Size of the token bucket of each client address, if `limits_addresses`."""
_ROUTES = (
    ("POST", "/otp", email_routes.request_link),
    ("GET", "/verify", email_routes.open_link),
    ("POST", "/verify", email_routes.exchange_token_hash),
    ("GET", "/authorize", provider_routes.authorize),
    ("GET", "/callback", provider_routes.return_from_provider),
    ("POST", "/token", session_routes.exchange_code),
    ("POST", "/logout", session_routes.end_session),
    ("GET", "/settings", admin_routes.show_settings),
    ("GET", "/admin/users", admin_routes.list_users),
    ("GET", "/admin/users/{id}", admin_routes.show_user),
    ("DELETE", "/admin/users/{id}", admin_routes.delete_user),
    ("GET", "/.well-known/jwks.json", admin_routes.show_keys),
)


class SigningKey:
    """A key pair, and its public key as Supabase publishes it."""

    def __init__(self):
        self.kid = str(uuid4())
        self.private = ec.generate_private_key(ec.SECP256R1())

    @property
    def jwk(self):
        jwk = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self.private.public_key()))
        return {**jwk, "kid": self.kid, "alg": "ES256", "use": "sig", "key_ops": ["verify"], "ext": True}


class SupabaseDouble:
    """One project. If `is_down` it returns 503, and 429 for `rate_limited_paths`. It waits for the event `hold`."""

    def __init__(self, *, site="http://127.0.0.1"):
        self.site = site
        self.url = ""
        self.is_down = False
        self.hold = None
        self.rate_limited_paths = set()
        # Refusals by path of whatever POST request.
        self.refusals = {}
        # Paths whose requests are carried out although the answer is lost.
        self.unanswered_paths = set()
        self._set_up_project()
        self.signing_key = SigningKey()
        self.published_keys = [self.signing_key.jwk]
        self.accounts = {}
        self.mails = []
        self.requests = []
        self.request_headers = []
        self.sessions = {}
        self.provider_account = SupabaseAccount("octo@example.org", metadata={"full_name": "Octo Cat"})
        # Error that the provider returns instead of a code, and whether it has verified the email address.
        self.provider_error = None
        self.provider_problem = None
        self.provider_verifies_email = True
        self._clock_offset = 0
        self.flows, self.links, self.exchanges = Flows(), Links(), Exchanges()
        self._asks_by_address = {}
        self.app = self._build_app()

    def _set_up_project(self):
        """Settings of the project: remaining emails of the hour, allowed addresses (None: all), and sign-ups."""
        self.emails_left = None
        self.allowed_addresses = None
        self.allows_signups = True
        self.allows_email_sign_in = True
        self.autoconfirms = False
        self.requires_captcha = False
        self.enabled_providers = set(provider_routes.PROVIDERS)
        self.redirect_globs = []
        self.mail_server = "up"  # or "down" or "slow"
        self.signs_with_shared_secret = False
        self.has_issuer = True
        self.other_issuer = None
        self.wants_key_for_jwks = False
        self.limits_addresses = False
        self.counts_forwarded_addresses = False

    def _build_app(self):
        routes = [Route(provider_routes.PROVIDER_PATH, partial(provider_routes.show_provider, self))]
        by_path = {}
        for method, path, handler in _ROUTES:
            by_path.setdefault(path, {})[method] = handler
        routes += [
            Route(BASE + path, partial(_dispatch, self, handlers), methods=_ALL_METHODS)
            for path, handlers in by_path.items()
        ]
        handlers = {
            Refusal: refuse,
            GatewayRefusal: refuse_at_gateway,
            ServerFailure: fail,
            404: answer_unknown_path,
            405: answer_wrong_method,
        }
        app = Starlette(routes=routes, exception_handlers=handlers)
        app.add_middleware(_RecordRequests, double=self)
        return app

    def count_requests(self, path):
        """Number of requests for `path`."""
        return sum(requested_path == BASE + path for _, requested_path in self.requests)

    def advance_time(self, seconds):
        """Advance the clock of links, flows and limits; tokens use the real time."""
        self._clock_offset += seconds

    def now(self):
        return time.time() + self._clock_offset

    async def resolve_link(self, link):
        """URL outside Supabase to which a browser is redirected from this link."""
        async with httpx.AsyncClient() as browser:
            while link.startswith(self.url):
                response = await browser.get(link)
                assert response.is_redirect, response.text
                link = response.headers["location"]
        return link

    def find_account(self, account_id):
        return next((account for account in self.accounts.values() if account.id == account_id), None)

    def has_account(self, account_id):
        return self.find_account(account_id) is not None

    def delete_account(self, account):
        """Delete the account as the dashboard does, with its links and sessions."""
        self.links.remove(account)
        self.accounts = {email: other for email, other in self.accounts.items() if other is not account}
        self.sessions = {
            session_id: owner_id for session_id, owner_id in self.sessions.items() if owner_id != account.id
        }

    def sign_token(self, account, *, key=None, headers=None, method="otp", **claims):
        """An access token as Supabase issues it. `claims` override the usual ones; None removes a claim."""
        now = int(time.time())
        default_claims = {
            "iss": (self.other_issuer or self.url + BASE) if self.has_issuer else None,
            "sub": account.id,
            "aud": "authenticated",
            "exp": now + 3600,
            "iat": now,
            "email": account.email,
            "phone": "",
            "app_metadata": {"provider": account.providers[0], "providers": account.providers},
            "user_metadata": account.metadata,
            "role": "authenticated",
            "aal": "aal1",
            "amr": [{"method": method, "timestamp": now}],
            "session_id": str(uuid4()),
            "is_anonymous": False,
        }
        payload = {name: value for name, value in (default_claims | claims).items() if value is not None}
        if self.signs_with_shared_secret and key is None:
            return jwt.encode(payload, SHARED_SECRET, algorithm="HS256", headers=headers)
        key = key or self.signing_key
        return jwt.encode(payload, key.private, algorithm="ES256", headers={"kid": key.kid, **(headers or {})})

    def decode_token(self, token):
        """Claims of a token of this project. Raises PyJWTError."""
        if self.signs_with_shared_secret:
            return jwt.decode(token, SHARED_SECRET, ["HS256"], audience="authenticated")
        return jwt.decode(token, self.signing_key.private.public_key(), ["ES256"], audience="authenticated")

    def get_redirect_to(self, request):
        """The `redirect_to` of the request if it may be redirected to, else the site. Others raise no error."""
        redirect_to = request.query_params.get("redirect_to", "") if request is not None else ""
        return redirect_to if self._is_redirect_allowed(redirect_to) else self.site

    def _is_redirect_allowed(self, url):
        try:
            parts = urlsplit(url)
            host = parts.hostname
        except ValueError:
            return False
        if parts.scheme not in {"http", "https"} or not host:
            return False
        if host == urlsplit(self.site).hostname or any(fnmatchcase(url, glob) for glob in self.redirect_globs):
            return True
        try:
            return ip_address(host).is_loopback
        except ValueError:
            return False

    def create_session(self, account, method, *, provider_token=False):
        """Begin a session; returns it as `/token` does."""
        token = self.sign_token(account, method=method)
        claims = jwt.decode(token, options={"verify_signature": False})
        self.sessions[claims["session_id"]] = account.id
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        user = {
            **admin_routes.build_user(account),
            "email_confirmed_at": now,
            "confirmed_at": now,
            "last_sign_in_at": now,
        }
        if account.confirmation_sent_at is not None:
            user["confirmation_sent_at"] = account.confirmation_sent_at
        session = {"access_token": token, "token_type": "bearer", "expires_in": 3600, "expires_at": claims["exp"]}
        if provider_token:
            session["provider_token"] = "gho_x"
        return {**session, "refresh_token": secrets.token_urlsafe(9), "user": user}

    @staticmethod
    def create_fragment(session):
        """The fields of a session that a redirect without PKCE puts into the fragment."""
        return {name: str(value) for name, value in session.items() if name != "user"}

    def count_ask(self, scope):
        """Whether the client address of this request has asked too often for links."""
        if not self.limits_addresses or scope["path"] != f"{BASE}/otp":
            return False
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        address = (scope.get("client") or ("", 0))[0]
        if self.counts_forwarded_addresses:
            address = headers.get("sb-forwarded-for", address).split(",")[0].strip()
        self._asks_by_address[address] = self._asks_by_address.get(address, 0) + 1
        return self._asks_by_address[address] > ASKS_PER_ADDRESS


class Exchanges:
    """Used codes and token hashes: of two requests at the same moment, both find them."""

    def __init__(self):
        self._numbers = itertools.count()
        self._used = {}

    def begin(self):
        """Number of a request that begins now."""
        return next(self._numbers)

    def record(self, secret, found):
        self._used.setdefault(secret, (next(self._numbers), found))

    def find_used(self, secret, request):
        """What this secret stood for, if it was used only after this request had begun."""
        used_at, found = self._used.get(secret, (-1, None))
        return found if request.scope["begun_at"] < used_at else None


_ALL_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


async def _dispatch(project, handlers, request):
    handler = handlers.get(request.method)
    return Response(status_code=405) if handler is None else await handler(project, request)


class _RecordRequests:
    """Record requests, and answer them for a project that is down or rate limited."""

    def __init__(self, app, double):
        self._app, self._double = app, double

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        double = self._double
        double.requests.append((scope["method"], scope["path"]))
        double.request_headers.append({name.decode(): value.decode() for name, value in scope["headers"]})
        path = scope["path"].rstrip("/")
        scope = {**scope, "path": path, "raw_path": path.encode(), "begun_at": double.exchanges.begin()}
        if double.hold is not None:
            await double.hold.wait()
        app = Response("upstream is away", 503) if double.is_down else self._app
        short_path = path.removeprefix(BASE)
        if short_path in double.rate_limited_paths or double.count_ask(scope):
            app = await refuse(Request(scope), Refusal(429, "over_request_rate_limit", "Request rate limit reached"))
        if scope["method"] == "POST" and short_path in double.refusals:
            app = await refuse(Request(scope), double.refusals[short_path])
        if short_path in double.unanswered_paths:
            await app(scope, receive, _discard)
            app = Response("upstream request timeout", 504)
        return await app(scope, receive, send)


async def _discard(_message):
    """Send nothing: the answer is lost."""


@asynccontextmanager
async def serve_supabase(**settings):
    """Serve a project on loopback until the block ends."""
    double = SupabaseDouble(**settings)
    async with serve_app(double.app) as url:
        double.url = url
        yield double
