"""A stand-in for Supabase Auth, because the real server cannot be had here: see docs/decisions.

It speaks that part of its protocol which the relay uses, to the vendor's own Python client: PKCE, one-time links by
mail (into a list instead), a provider that lets everybody in, ES256 tokens and their public keys, deletion. What it
answers was compared with the real server's source; the decision says with which, and what cannot be compared.
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

from tests.relay.supabase_auth.flows import MAIL_PAUSE, PREFIX, Flow, Flows, Links, Somebody, asked_for_pkce
from tests.relay.supabase_auth.refusals import GatewayRefusal, Refusal, lead_back, refuse, refuse_at_the_gateway
from tests.relay.supabase_auth.running import running

ANON, SECRET = "sb_publishable_test", "sb_secret_test"
BASE = "/auth/v1"
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")


@dataclass
class Mail:
    """What lies in somebody's mailbox: both ways in which a template can word the same link."""

    to: str
    link: str
    token_hash: str
    kind: str


class SigningKey:
    """A key pair and its public half as Supabase publishes it."""

    def __init__(self):
        self.kid = str(uuid4())
        self.private = ec.generate_private_key(ec.SECP256R1())

    @property
    def jwk(self):
        made = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self.private.public_key()))
        return {**made, "kid": self.kid, "alg": "ES256", "use": "sig", "key_ops": ["verify"]}


class SupabaseDouble:
    """One project. `down` makes it answer nothing but 503, `hold` nothing until it is set, `busy` those paths 429."""

    def __init__(self, *, site="http://127.0.0.1"):
        self.site = site
        self.url = ""
        self.down = False
        self.hold = None
        self.busy = set()
        # Settings of the project: so many mails are left of this hour's, these addresses only, new people or none.
        self.mails_left = None
        self.authorized = None
        self.signups = True
        self.signing = SigningKey()
        self.published = [self.signing.jwk]
        self.people = {}
        self.mails = []
        self.seen = []
        self.sessions = {}
        self.provider_person = Somebody("octo@example.org", about={"full_name": "Octo Cat"})
        # What the provider says instead of a code, and whether it has seen to the address being its person's.
        self.provider_error = None
        self.provider_verifies = True
        self._passed = 0
        self._flows, self._links = Flows(), Links()
        routes = [
            Route(f"{BASE}/otp", self._otp, methods=["POST"]),
            Route(f"{BASE}/verify", self._follow, methods=["GET"]),
            Route(f"{BASE}/verify", self._verify, methods=["POST"]),
            Route(f"{BASE}/authorize", self._authorize, methods=["GET"]),
            Route("/the-provider", self._provider, methods=["GET"]),
            Route(f"{BASE}/callback", self._callback, methods=["GET"]),
            Route(f"{BASE}/token", self._token, methods=["POST"]),
            Route(f"{BASE}/logout", self._logout, methods=["POST"]),
            Route(f"{BASE}/admin/users/{{id}}", self._delete, methods=["DELETE"]),
            Route(f"{BASE}/.well-known/jwks.json", self._keys, methods=["GET"]),
        ]
        handlers = {Refusal: refuse, GatewayRefusal: refuse_at_the_gateway}
        self.app = Starlette(routes=routes, exception_handlers=handlers)
        self.app.add_middleware(_Looking, double=self)

    def asked(self, path):
        """How often `path` was asked for."""
        return sum(it == BASE + path for _, it in self.seen)

    def later(self, seconds):
        """Let so much time pass, for all but the tokens."""
        self._passed += seconds

    async def lands(self, link):
        """Where a browser ends, outside, that opens this link or is sent to this address."""
        async with httpx.AsyncClient() as browser:
            while link.startswith(self.url):
                answer = await browser.get(link)
                assert answer.is_redirect, answer.text
                link = answer.headers["location"]
        return link

    def sign(self, somebody, *, key=None, headers=None, method="otp", **claims):
        """A token as Supabase makes them; `claims` say what is different, None leaves one out."""
        now = int(time.time())
        usual = {
            "iss": self.url + BASE,
            "sub": somebody.id,
            "aud": "authenticated",
            "exp": now + 3600,
            "iat": now,
            "email": somebody.email,
            "phone": "",
            "app_metadata": {"provider": "email", "providers": ["email"]},
            "user_metadata": somebody.about,
            "role": "authenticated",
            "aal": "aal1",
            "amr": [{"method": method, "timestamp": now}],
            "session_id": str(uuid4()),
            "is_anonymous": False,
        }
        payload = {name: value for name, value in (usual | claims).items() if value is not None}
        key = key or self.signing
        return jwt.encode(payload, key.private, algorithm="ES256", headers={"kid": key.kid, **(headers or {})})

    async def _otp(self, request):
        asked = await _asked_with(request, ANON)
        challenge, method = asked_for_pkce(asked)
        email = asked["email"].lower()
        somebody = self.people.get(email)
        if somebody is None and not asked.get("create_user", True):
            raise Refusal(422, "otp_disabled", "Signups not allowed for otp")
        if not _ADDRESS.fullmatch(email):
            raise Refusal(400, "validation_failed", "Unable to validate email address: invalid format")
        kind = "magiclink" if somebody is not None and somebody.confirmed else "signup"
        if kind == "signup" and not self.signups:
            raise Refusal(422, "signup_disabled", "Signups not allowed for this instance")
        somebody = somebody or _new_person(email)
        flow = Flow(kind, challenge, method, self._now(), somebody) if challenge else None
        # Of somebody known the flow stays even when no mail leaves; of others all is undone with it.
        if flow is not None and kind == "magiclink":
            self._flows.add(flow)
        self._mail(request, somebody, kind, prefix=PREFIX if flow is not None else "")
        self.people[email] = somebody
        if flow is not None and kind == "signup":
            self._flows.add(flow)
        return JSONResponse({})

    def _mail(self, request, somebody, kind, *, prefix):
        left = somebody.mailed.get(kind, float("-inf")) + MAIL_PAUSE - self._now()
        if left > 0:
            words = f"For security purposes, you can only request this after {int(left)} seconds."
            raise Refusal(429, "over_email_send_rate_limit", words)
        if self.authorized is not None and somebody.email not in self.authorized:
            raise Refusal(400, "email_address_not_authorized", "Email address cannot be used as it is not authorized")
        if self.mails_left is not None:
            if self.mails_left == 0:
                raise Refusal(429, "over_email_send_rate_limit", "email rate limit exceeded")
            self.mails_left -= 1
        token_hash = self._links.make(somebody, kind, self._now(), prefix=prefix)
        somebody.mailed[kind] = self._now()
        query = urlencode({"token": token_hash, "type": kind, "redirect_to": self._back(request)})
        self.mails.append(Mail(somebody.email, f"{self.url}{BASE}/verify?{query}", token_hash, kind))

    async def _follow(self, request):
        token, kind = request.query_params.get("token", ""), request.query_params.get("type", "")
        if not token or not kind:
            raise Refusal(400, "validation_failed", "Verify requires a token and a verification type")
        back, is_pkce = self._back(request), token.startswith(PREFIX)
        try:
            link = self._links.find(token, kind, self._now())
            flow = self._flow_of(link) if is_pkce else None
        except Refusal as refusal:
            about = refusal.as_query()
            return lead_back(back, 303, query=about if is_pkce else None, fragment=about | {"sb": ""})
        self._burn(link)
        if flow is None:
            session = self._session(link.somebody, "otp")
            return lead_back(back, 303, fragment={"access_token": session["access_token"], "type": kind})
        flow.issued = self._now()
        return lead_back(back, 303, query={"code": flow.code})

    def _flow_of(self, link):
        flow = self._flows.newest(link.somebody, link.kind)
        if flow is None:
            raise Refusal(400, "flow_state_not_found", "No associated flow state found.")
        return flow

    async def _verify(self, request):
        asked = await _asked_with(request, ANON)
        if not asked.get("type") or not asked.get("token_hash"):
            raise Refusal(400, "validation_failed", "Verify requires either a token or a token hash")
        if any(asked.get(it) for it in ("email", "phone", "redirect_to")):
            raise Refusal(400, "validation_failed", "Only the token_hash and type should be provided")
        link = self._links.find(asked["token_hash"], asked["type"], self._now())
        self._burn(link)
        return JSONResponse(self._session(link.somebody, "otp"))

    async def _authorize(self, request):
        asked = request.query_params
        if asked.get("provider") not in {"github", "google"}:
            raise Refusal(400, "validation_failed", "Unsupported provider: provider is not enabled")
        challenge, method = asked_for_pkce(asked)
        flow = self._flows.add(Flow("oauth", challenge, method, self._now(), back=self._back(request)))
        return RedirectResponse(f"{self.url}/the-provider?state={flow.id}", 302)

    async def _provider(self, request):
        """Not Supabase's: whoever is asked lets everybody in at once, or says why not."""
        says = self.provider_error or {"code": secrets.token_hex(8)}
        query = urlencode({**says, "state": request.query_params["state"]})
        return RedirectResponse(f"{self.url}{BASE}/callback?{query}", 302)

    async def _callback(self, request):
        asked = request.query_params
        flow = self._flows.by_id(asked.get("state"))
        try:
            self._look_at_state(flow)
        except Refusal as refusal:  # nobody knows where it began, so to the site
            return lead_back(self.site, 303, query=refusal.as_query(by_provider=True))
        if "error" in asked:
            about = {name: asked[name] for name in ("error", "error_description") if asked.get(name)}
            return lead_back(flow.back, 302, query=about, fragment=about | {"sb": ""})
        try:
            flow.somebody = self._came_by_provider()
        except Refusal as refusal:
            about = refusal.as_query(by_provider=True)
            return lead_back(flow.back, 302, query=about, fragment=about | {"sb": ""})
        flow.issued = self._now()
        return lead_back(flow.back, 302, query={"code": flow.code})

    def _look_at_state(self, flow):
        if flow is None:
            raise Refusal(400, "bad_oauth_state", "OAuth state not found or expired")
        if flow.is_late(self._now()):
            raise Refusal(400, "bad_oauth_state", "OAuth state has expired")
        if flow.somebody is not None:
            raise Refusal(400, "flow_state_already_used", "State has already been used")

    def _came_by_provider(self):
        somebody = self.people.get(self.provider_person.email)
        if somebody is None and not self.signups:
            raise Refusal(422, "signup_disabled", "Signups not allowed for this instance")
        somebody = self.people.setdefault(self.provider_person.email, somebody or self.provider_person)
        if somebody.banned:
            raise Refusal(403, "user_banned", "User is banned")
        if not somebody.confirmed and not self.provider_verifies:
            # This mail is for no browser in particular, and leads to the site.
            self._mail(None, somebody, "signup", prefix="")
            raise Refusal(422, "provider_email_needs_verification", "Unverified email with github.")
        somebody.confirmed = True
        return somebody

    async def _token(self, request):
        if request.query_params.get("grant_type") != "pkce":
            raise Refusal(400, "invalid_credentials", "unsupported_grant_type")
        asked = await _asked_with(request, ANON)
        if not asked.get("auth_code") or not asked.get("code_verifier"):
            words = "invalid request: both auth code and code verifier should be non-empty"
            raise Refusal(400, "validation_failed", words)
        flow = self._flows.by_code(asked["auth_code"])
        if flow is None:
            raise Refusal(404, "flow_state_not_found", "invalid flow state, no valid flow state found")
        if flow.is_late(self._now()):
            raise Refusal(422, "flow_state_expired", "invalid flow state, flow state has expired")
        if not flow.is_proven(asked["code_verifier"]):
            raise Refusal(400, "bad_code_verifier", "code challenge does not match previously saved code verifier")
        self._flows.end(flow)
        return JSONResponse(self._session(flow.somebody, flow.method.replace("signup", "email/signup")))

    async def _logout(self, request):
        if request.headers.get("apikey") != ANON:
            raise GatewayRefusal
        scope = request.query_params.get("scope", "global")
        if scope not in {"global", "local", "others"}:
            raise Refusal(400, "validation_failed", f'Unsupported logout scope "{scope}"')
        ours = self._session_of(request.headers.get("authorization", ""))
        whose = self.sessions[ours]
        ends = {it for it, of in self.sessions.items() if of == whose and (scope != "others" or it != ours)}
        for it in {ours} if scope == "local" else ends:
            del self.sessions[it]
        return Response(status_code=204)

    def _session_of(self, authorization):
        if not authorization.startswith("Bearer "):
            raise Refusal(401, "no_authorization", "This endpoint requires a Bearer token")
        public = self.signing.private.public_key()
        try:
            claims = jwt.decode(authorization.removeprefix("Bearer "), public, ["ES256"], audience="authenticated")
        except jwt.PyJWTError:
            raise Refusal(403, "bad_jwt", "invalid JWT: unable to parse or verify signature") from None
        if claims["sub"] not in {it.id for it in self.people.values()}:
            raise Refusal(403, "user_not_found", "User from sub claim in JWT does not exist")
        if claims["session_id"] not in self.sessions:
            raise Refusal(403, "session_not_found", "Session from session_id claim in JWT does not exist")
        return claims["session_id"]

    async def _delete(self, request):
        if request.headers.get("apikey") == ANON:
            raise Refusal(403, "not_admin", "User not allowed")
        asked = await _asked_with(request, SECRET)
        assert not asked.get("should_soft_delete"), "a row that stays is not what was promised"
        try:
            UUID(request.path_params["id"])
        except ValueError:
            raise Refusal(404, "validation_failed", "user_id must be an UUID") from None
        found = [it for it in self.people.values() if it.id == request.path_params["id"]]
        if not found:
            raise Refusal(404, "user_not_found", "User not found")
        self._links.forget(found[0])
        self.people = {email: it for email, it in self.people.items() if it is not found[0]}
        self.sessions = {it: whose for it, whose in self.sessions.items() if whose != found[0].id}
        return JSONResponse({})

    async def _keys(self, _request):
        return JSONResponse({"keys": self.published}, headers={"Cache-Control": "public, max-age=600"})

    def _now(self):
        return time.time() + self._passed

    def _back(self, request):
        """Where the browser may be led back to; an address that is not allowed is passed over without a word."""
        wanted = request.query_params.get("redirect_to", "") if request is not None else ""
        is_ours = urlsplit(wanted)[:2] == urlsplit(self.site)[:2]
        return wanted if is_ours else self.site

    def _burn(self, link):
        self._links.forget(link.somebody, link.kind)
        link.somebody.confirmed = True

    def _session(self, somebody, method):
        token = self.sign(somebody, method=method)
        claims = jwt.decode(token, options={"verify_signature": False})
        self.sessions[claims["session_id"]] = somebody.id
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        user = {
            "id": somebody.id,
            "aud": "authenticated",
            "role": "authenticated",
            "email": somebody.email,
            "email_confirmed_at": now,
            "phone": "",
            "confirmed_at": now,
            "last_sign_in_at": now,
            "app_metadata": claims["app_metadata"],
            "user_metadata": somebody.about,
            "identities": [],
            "created_at": now,
            "updated_at": now,
            "is_anonymous": False,
        }
        session = {"access_token": token, "token_type": "bearer", "expires_in": 3600, "expires_at": claims["exp"]}
        return {**session, "refresh_token": secrets.token_urlsafe(9), "user": user}


class _Looking:
    """Notes who asked for what, and answers for a server that is down or has had enough."""

    def __init__(self, app, double):
        self._app, self._double = app, double

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        self._double.seen.append((scope["method"], scope["path"]))
        if self._double.hold is not None:
            await self._double.hold.wait()
        app = Response("upstream is away", 503) if self._double.down else self._app
        if scope["path"].removeprefix(BASE) in self._double.busy:
            app = await refuse(Request(scope), Refusal(429, "over_request_rate_limit", "Request rate limit reached"))
        return await app(scope, receive, send)


def _new_person(email):
    somebody = Somebody(email)
    somebody.about = {"sub": somebody.id, "email": email, "email_verified": True, "phone_verified": False}
    return somebody


async def _asked_with(request: Request, key: str):
    """The body, if the request brings a key that may. A key that is no JWT must not come as a bearer."""
    assert "authorization" not in request.headers
    if request.headers.get("apikey") != key:
        raise GatewayRefusal
    return await request.json()


@asynccontextmanager
async def supabase_running(**about):
    """A project that answers on loopback for as long as the block lasts."""
    double = SupabaseDouble(**about)
    async with running(double.app) as url:
        double.url = url
        yield double
