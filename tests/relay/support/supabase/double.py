"""A test double of Supabase Auth, because the real server can't be installed here (docs/decisions/0017).

It implements the part of the protocol that the relay uses through the vendor's own Python client: PKCE, one-time links
by email (kept in a list), a provider that accepts everybody, ES256 tokens with their public keys, and deletion. Its
responses were compared with the real server's source; the decision says which versions, and what can't be compared.
"""

import json
import re
import secrets
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit
from uuid import UUID, uuid4

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.relay.support.serving import serve_app
from tests.relay.support.supabase.flows import (
    EMAIL_INTERVAL_SECONDS,
    PREFIX,
    Flow,
    Flows,
    Links,
    SupabaseAccount,
    parse_pkce_challenge,
)
from tests.relay.support.supabase.refusals import GatewayRefusal, Refusal, redirect_back, refuse, refuse_at_gateway

ANON, SECRET = "sb_publishable_test", "sb_secret_test"
BASE = "/auth/v1"
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")


@dataclass
class Email:
    """A sent email: the link of the default template, and the token hash that other templates use."""

    to: str
    link: str
    token_hash: str
    kind: str


class SigningKey:
    """A key pair, and its public key as Supabase publishes it."""

    def __init__(self):
        self.kid = str(uuid4())
        self.private = ec.generate_private_key(ec.SECP256R1())

    @property
    def jwk(self):
        jwk = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self.private.public_key()))
        return {**jwk, "kid": self.kid, "alg": "ES256", "use": "sig", "key_ops": ["verify"]}


class SupabaseDouble:
    """One project. If `is_down` it returns 503, and 429 for `rate_limited_paths`. It waits for the event `hold`."""

    def __init__(self, *, site="http://127.0.0.1"):
        self.site = site
        self.url = ""
        self.is_down = False
        self.hold = None
        self.rate_limited_paths = set()
        # Settings of the project: remaining emails of the hour, allowed addresses (None: all), and sign-ups.
        self.emails_left = None
        self.allowed_addresses = None
        self.allows_signups = True
        self.signing_key = SigningKey()
        self.published_keys = [self.signing_key.jwk]
        self.accounts = {}
        self.mails = []
        self.requests = []
        self.sessions = {}
        self.provider_account = SupabaseAccount("octo@example.org", metadata={"full_name": "Octo Cat"})
        # Error that the provider returns instead of a code, and whether it has verified the email address.
        self.provider_error = None
        self.provider_verifies_email = True
        self._clock_offset = 0
        self._flows, self._links = Flows(), Links()
        routes = [
            Route(f"{BASE}/otp", self._otp, methods=["POST"]),
            Route(f"{BASE}/verify", self._open_link, methods=["GET"]),
            Route(f"{BASE}/verify", self._verify, methods=["POST"]),
            Route(f"{BASE}/authorize", self._authorize, methods=["GET"]),
            Route("/the-provider", self._provider, methods=["GET"]),
            Route(f"{BASE}/callback", self._callback, methods=["GET"]),
            Route(f"{BASE}/token", self._token, methods=["POST"]),
            Route(f"{BASE}/logout", self._logout, methods=["POST"]),
            Route(f"{BASE}/admin/users/{{id}}", self._delete, methods=["DELETE"]),
            Route(f"{BASE}/.well-known/jwks.json", self._keys, methods=["GET"]),
        ]
        handlers = {Refusal: refuse, GatewayRefusal: refuse_at_gateway}
        self.app = Starlette(routes=routes, exception_handlers=handlers)
        self.app.add_middleware(_RecordRequests, double=self)

    def count_requests(self, path):
        """Number of requests for `path`."""
        return sum(requested_path == BASE + path for _, requested_path in self.requests)

    def advance_time(self, seconds):
        """Advance the clock of links, flows and limits; tokens use the real time."""
        self._clock_offset += seconds

    async def resolve_link(self, link):
        """URL outside Supabase to which a browser is redirected from this link."""
        async with httpx.AsyncClient() as browser:
            while link.startswith(self.url):
                response = await browser.get(link)
                assert response.is_redirect, response.text
                link = response.headers["location"]
        return link

    def sign_token(self, account, *, key=None, headers=None, method="otp", **claims):
        """An access token as Supabase issues it. `claims` override the usual ones; None removes a claim."""
        now = int(time.time())
        default_claims = {
            "iss": self.url + BASE,
            "sub": account.id,
            "aud": "authenticated",
            "exp": now + 3600,
            "iat": now,
            "email": account.email,
            "phone": "",
            "app_metadata": {"provider": "email", "providers": ["email"]},
            "user_metadata": account.metadata,
            "role": "authenticated",
            "aal": "aal1",
            "amr": [{"method": method, "timestamp": now}],
            "session_id": str(uuid4()),
            "is_anonymous": False,
        }
        payload = {name: value for name, value in (default_claims | claims).items() if value is not None}
        key = key or self.signing_key
        return jwt.encode(payload, key.private, algorithm="ES256", headers={"kid": key.kid, **(headers or {})})

    async def _otp(self, request):
        parameters = await _parse_body(request, ANON)
        challenge, method = parse_pkce_challenge(parameters)
        email = parameters["email"].lower()
        account = self.accounts.get(email)
        if account is None and not parameters.get("create_user", True):
            raise Refusal(422, "otp_disabled", "Signups not allowed for otp")
        if not _ADDRESS.fullmatch(email):
            raise Refusal(400, "validation_failed", "Unable to validate email address: invalid format")
        kind = "magiclink" if account is not None and account.is_confirmed else "signup"
        if kind == "signup" and not self.allows_signups:
            raise Refusal(422, "signup_disabled", "Signups not allowed for this instance")
        account = account or _create_account(email)
        flow = Flow(kind, challenge, method, self._now(), account) if challenge else None
        # For a known account the flow is kept even if sending fails; for a new one everything is rolled back.
        if flow is not None and kind == "magiclink":
            self._flows.add(flow)
        self._send_email(request, account, kind, prefix=PREFIX if flow is not None else "")
        self.accounts[email] = account
        if flow is not None and kind == "signup":
            self._flows.add(flow)
        return JSONResponse({})

    def _send_email(self, request, account, kind, *, prefix):
        wait = account.mailed_at.get(kind, float("-inf")) + EMAIL_INTERVAL_SECONDS - self._now()
        if wait > 0:
            message = f"For security purposes, you can only request this after {int(wait)} seconds."
            raise Refusal(429, "over_email_send_rate_limit", message)
        if self.allowed_addresses is not None and account.email not in self.allowed_addresses:
            raise Refusal(400, "email_address_not_authorized", "Email address cannot be used as it is not authorized")
        if self.emails_left is not None:
            if self.emails_left == 0:
                raise Refusal(429, "over_email_send_rate_limit", "email rate limit exceeded")
            self.emails_left -= 1
        token_hash = self._links.create(account, kind, self._now(), prefix=prefix)
        account.mailed_at[kind] = self._now()
        query = urlencode({"token": token_hash, "type": kind, "redirect_to": self._get_redirect_to(request)})
        self.mails.append(Email(account.email, f"{self.url}{BASE}/verify?{query}", token_hash, kind))

    async def _open_link(self, request):
        token, kind = request.query_params.get("token", ""), request.query_params.get("type", "")
        if not token or not kind:
            raise Refusal(400, "validation_failed", "Verify requires a token and a verification type")
        redirect_to, is_pkce = self._get_redirect_to(request), token.startswith(PREFIX)
        try:
            link = self._links.find(token, kind, self._now())
            flow = self._require_flow(link) if is_pkce else None
        except Refusal as refusal:
            error = refusal.as_query()
            return redirect_back(redirect_to, 303, query=error if is_pkce else None, fragment=error | {"sb": ""})
        self._use_link(link)
        if flow is None:
            session = self._create_session(link.account, "otp")
            return redirect_back(redirect_to, 303, fragment={"access_token": session["access_token"], "type": kind})
        flow.issued_at = self._now()
        return redirect_back(redirect_to, 303, query={"code": flow.code})

    def _require_flow(self, link):
        flow = self._flows.find_newest(link.account, link.kind)
        if flow is None:
            raise Refusal(400, "flow_state_not_found", "No associated flow state found.")
        return flow

    async def _verify(self, request):
        parameters = await _parse_body(request, ANON)
        if not parameters.get("type") or not parameters.get("token_hash"):
            raise Refusal(400, "validation_failed", "Verify requires either a token or a token hash")
        if any(parameters.get(name) for name in ("email", "phone", "redirect_to")):
            raise Refusal(400, "validation_failed", "Only the token_hash and type should be provided")
        link = self._links.find(parameters["token_hash"], parameters["type"], self._now())
        self._use_link(link)
        return JSONResponse(self._create_session(link.account, "otp"))

    async def _authorize(self, request):
        parameters = request.query_params
        if parameters.get("provider") not in {"github", "google"}:
            raise Refusal(400, "validation_failed", "Unsupported provider: provider is not enabled")
        challenge, method = parse_pkce_challenge(parameters)
        flow = self._flows.add(
            Flow("oauth", challenge, method, self._now(), redirect_to=self._get_redirect_to(request))
        )
        return RedirectResponse(f"{self.url}/the-provider?state={flow.id}", 302)

    async def _provider(self, request):
        """Sign-in page of the provider: accepts everybody at once, or returns `provider_error`."""
        result = self.provider_error or {"code": secrets.token_hex(8)}
        query = urlencode({**result, "state": request.query_params["state"]})
        return RedirectResponse(f"{self.url}{BASE}/callback?{query}", 302)

    async def _callback(self, request):
        parameters = request.query_params
        flow = self._flows.find_by_id(parameters.get("state"))
        try:
            self._check_flow(flow)
        except Refusal as refusal:  # without a valid flow the origin is unknown
            return redirect_back(self.site, 303, query=refusal.as_query(by_provider=True))
        if "error" in parameters:
            error = {name: parameters[name] for name in ("error", "error_description") if parameters.get(name)}
            return redirect_back(flow.redirect_to, 302, query=error, fragment=error | {"sb": ""})
        try:
            flow.account = self._sign_in_by_provider()
        except Refusal as refusal:
            error = refusal.as_query(by_provider=True)
            return redirect_back(flow.redirect_to, 302, query=error, fragment=error | {"sb": ""})
        flow.issued_at = self._now()
        return redirect_back(flow.redirect_to, 302, query={"code": flow.code})

    def _check_flow(self, flow):
        if flow is None:
            raise Refusal(400, "bad_oauth_state", "OAuth state not found or expired")
        if flow.is_expired(self._now()):
            raise Refusal(400, "bad_oauth_state", "OAuth state has expired")
        if flow.account is not None:
            raise Refusal(400, "flow_state_already_used", "State has already been used")

    def _sign_in_by_provider(self):
        account = self.accounts.get(self.provider_account.email)
        if account is None and not self.allows_signups:
            raise Refusal(422, "signup_disabled", "Signups not allowed for this instance")
        account = self.accounts.setdefault(self.provider_account.email, account or self.provider_account)
        if account.is_banned:
            raise Refusal(403, "user_banned", "User is banned")
        if not account.is_confirmed and not self.provider_verifies_email:
            # This email belongs to no browser's flow and leads to the site.
            self._send_email(None, account, "signup", prefix="")
            raise Refusal(422, "provider_email_needs_verification", "Unverified email with github.")
        account.is_confirmed = True
        return account

    async def _token(self, request):
        if request.query_params.get("grant_type") != "pkce":
            raise Refusal(400, "invalid_credentials", "unsupported_grant_type")
        parameters = await _parse_body(request, ANON)
        if not parameters.get("auth_code") or not parameters.get("code_verifier"):
            message = "invalid request: both auth code and code verifier should be non-empty"
            raise Refusal(400, "validation_failed", message)
        flow = self._flows.find_by_code(parameters["auth_code"])
        if flow is None:
            raise Refusal(404, "flow_state_not_found", "invalid flow state, no valid flow state found")
        if flow.is_expired(self._now()):
            raise Refusal(422, "flow_state_expired", "invalid flow state, flow state has expired")
        if not flow.is_verifier_valid(parameters["code_verifier"]):
            raise Refusal(400, "bad_code_verifier", "code challenge does not match previously saved code verifier")
        self._flows.remove(flow)
        return JSONResponse(self._create_session(flow.account, flow.method.replace("signup", "email/signup")))

    async def _logout(self, request):
        if request.headers.get("apikey") != ANON:
            raise GatewayRefusal
        scope = request.query_params.get("scope", "global")
        if scope not in {"global", "local", "others"}:
            raise Refusal(400, "validation_failed", f'Unsupported logout scope "{scope}"')
        own_id = self._require_session(request.headers.get("authorization", ""))
        account_id = self.sessions[own_id]
        ended_ids = {
            session_id
            for session_id, owner_id in self.sessions.items()
            if owner_id == account_id and (scope != "others" or session_id != own_id)
        }
        for session_id in {own_id} if scope == "local" else ended_ids:
            del self.sessions[session_id]
        return Response(status_code=204)

    def _require_session(self, authorization):
        if not authorization.startswith("Bearer "):
            raise Refusal(401, "no_authorization", "This endpoint requires a Bearer token")
        public = self.signing_key.private.public_key()
        try:
            claims = jwt.decode(authorization.removeprefix("Bearer "), public, ["ES256"], audience="authenticated")
        except jwt.PyJWTError:
            raise Refusal(403, "bad_jwt", "invalid JWT: unable to parse or verify signature") from None
        if claims["sub"] not in {account.id for account in self.accounts.values()}:
            raise Refusal(403, "user_not_found", "User from sub claim in JWT does not exist")
        if claims["session_id"] not in self.sessions:
            raise Refusal(403, "session_not_found", "Session from session_id claim in JWT does not exist")
        return claims["session_id"]

    async def _delete(self, request):
        if request.headers.get("apikey") == ANON:
            raise Refusal(403, "not_admin", "User not allowed")
        parameters = await _parse_body(request, SECRET)
        assert not parameters.get("should_soft_delete"), "the relay promises a complete deletion"
        try:
            UUID(request.path_params["id"])
        except ValueError:
            raise Refusal(404, "validation_failed", "user_id must be an UUID") from None
        matches = [account for account in self.accounts.values() if account.id == request.path_params["id"]]
        if not matches:
            raise Refusal(404, "user_not_found", "User not found")
        self._links.remove(matches[0])
        self.accounts = {email: account for email, account in self.accounts.items() if account is not matches[0]}
        self.sessions = {
            session_id: owner_id for session_id, owner_id in self.sessions.items() if owner_id != matches[0].id
        }
        return JSONResponse({})

    async def _keys(self, _request):
        return JSONResponse({"keys": self.published_keys}, headers={"Cache-Control": "public, max-age=600"})

    def _now(self):
        return time.time() + self._clock_offset

    def _get_redirect_to(self, request):
        """The `redirect_to` of the request if it is on the site, else the site. No error for others, as in Supabase."""
        redirect_to = request.query_params.get("redirect_to", "") if request is not None else ""
        is_allowed = urlsplit(redirect_to)[:2] == urlsplit(self.site)[:2]
        return redirect_to if is_allowed else self.site

    def _use_link(self, link):
        self._links.remove(link.account, link.kind)
        link.account.is_confirmed = True

    def _create_session(self, account, method):
        token = self.sign_token(account, method=method)
        claims = jwt.decode(token, options={"verify_signature": False})
        self.sessions[claims["session_id"]] = account.id
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        user = {
            "id": account.id,
            "aud": "authenticated",
            "role": "authenticated",
            "email": account.email,
            "email_confirmed_at": now,
            "phone": "",
            "confirmed_at": now,
            "last_sign_in_at": now,
            "app_metadata": claims["app_metadata"],
            "user_metadata": account.metadata,
            "identities": [],
            "created_at": now,
            "updated_at": now,
            "is_anonymous": False,
        }
        session = {"access_token": token, "token_type": "bearer", "expires_in": 3600, "expires_at": claims["exp"]}
        return {**session, "refresh_token": secrets.token_urlsafe(9), "user": user}


class _RecordRequests:
    """Record requests, and answer them for a project that is down or rate limited."""

    def __init__(self, app, double):
        self._app, self._double = app, double

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        self._double.requests.append((scope["method"], scope["path"]))
        if self._double.hold is not None:
            await self._double.hold.wait()
        app = Response("upstream is away", 503) if self._double.is_down else self._app
        if scope["path"].removeprefix(BASE) in self._double.rate_limited_paths:
            app = await refuse(Request(scope), Refusal(429, "over_request_rate_limit", "Request rate limit reached"))
        return await app(scope, receive, send)


def _create_account(email):
    account = SupabaseAccount(email)
    account.metadata = {"sub": account.id, "email": email, "email_verified": True, "phone_verified": False}
    return account


async def _parse_body(request: Request, key: str):
    """The JSON body, if the request has this API key. Keys that aren't JWTs must not be sent as bearer tokens."""
    assert "authorization" not in request.headers
    if request.headers.get("apikey") != key:
        raise GatewayRefusal
    return await request.json()


@asynccontextmanager
async def serve_supabase(**settings):
    """Serve a project on loopback until the block ends."""
    double = SupabaseDouble(**settings)
    async with serve_app(double.app) as url:
        double.url = url
        yield double
