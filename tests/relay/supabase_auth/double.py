"""A stand-in for Supabase Auth, because the real server cannot be had here: see docs/decisions.

It speaks that part of its protocol which the relay uses, to the vendor's own Python client: PKCE, one-time links by
mail (into a list instead), a provider that lets everybody in, ES256 tokens and their public keys, deletion.
"""

import base64
import hashlib
import json
import secrets
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlencode
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.relay.supabase_auth.running import running

ANON, SECRET = "sb_publishable_test", "sb_secret_test"
VERSION = {"X-Supabase-Api-Version": "2024-01-01"}
BASE = "/auth/v1"


@dataclass
class Mail:
    """What lies in somebody's mailbox: both ways in which a template can word the same link."""

    to: str
    link: str
    token_hash: str
    kind: str


@dataclass
class Somebody:
    email: str
    id: str = field(default_factory=lambda: str(uuid4()))
    confirmed: bool = False
    about: dict = field(default_factory=dict)


class SigningKey:
    """A key pair and its public half as Supabase publishes it."""

    def __init__(self):
        self.kid = str(uuid4())
        self.private = ec.generate_private_key(ec.SECP256R1())

    @property
    def jwk(self):
        made = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self.private.public_key()))
        return {**made, "kid": self.kid, "alg": "ES256", "use": "sig", "key_ops": ["verify"]}


class Refusal(Exception):  # noqa: N818 - it is one
    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.body = status, {"code": code, "message": message}


class SupabaseDouble:
    """One project. `down` makes it answer nothing but 503, `hold` nothing until it is set."""

    def __init__(self, *, site="http://127.0.0.1"):
        self.site = site
        self.url = ""
        self.down = False
        self.hold = None
        self.signing = SigningKey()
        self.published = [self.signing.jwk]
        self.people = {}
        self.mails = []
        self.seen = []
        self.sessions = set()
        self.provider_person = Somebody("octo@example.org", about={"full_name": "Octo Cat"})
        self._links, self._codes = {}, {}
        routes = [
            Route(f"{BASE}/otp", self._otp, methods=["POST"]),
            Route(f"{BASE}/verify", self._follow, methods=["GET"]),
            Route(f"{BASE}/verify", self._verify, methods=["POST"]),
            Route(f"{BASE}/authorize", self._authorize, methods=["GET"]),
            Route(f"{BASE}/token", self._token, methods=["POST"]),
            Route(f"{BASE}/logout", self._logout, methods=["POST"]),
            Route(f"{BASE}/admin/users/{{id}}", self._delete, methods=["DELETE"]),
            Route(f"{BASE}/.well-known/jwks.json", self._keys, methods=["GET"]),
        ]
        self.app = Starlette(routes=routes, exception_handlers={Refusal: _refuse})
        self.app.add_middleware(_Looking, double=self)

    def asked(self, path):
        """How often `path` was asked for."""
        return sum(it == BASE + path for _, it in self.seen)

    def sign(self, somebody, *, key=None, headers=None, **claims):
        """A token as Supabase makes them; `claims` say what is different, None leaves one out."""
        now = int(time.time())
        usual = {
            "iss": self.url + BASE,
            "aud": "authenticated",
            "role": "authenticated",
            "sub": somebody.id,
            "email": somebody.email,
            "iat": now,
            "exp": now + 3600,
            "session_id": str(uuid4()),
            "is_anonymous": False,
            "aal": "aal1",
            "amr": [{"method": "otp", "timestamp": now}],
            "app_metadata": {"provider": "email"},
            "user_metadata": somebody.about,
        }
        payload = {name: value for name, value in (usual | claims).items() if value is not None}
        key = key or self.signing
        return jwt.encode(payload, key.private, algorithm="ES256", headers={"kid": key.kid, **(headers or {})})

    async def _otp(self, request):
        body = await _asked_with(request, ANON)
        email, somebody = body["email"].lower(), self.people.get(body["email"].lower())
        if "@" not in email:
            raise Refusal(400, "validation_failed", "Unable to validate email address: invalid format")
        if somebody is None and not body["create_user"]:
            raise Refusal(422, "otp_disabled", "Signups not allowed for otp")
        somebody = self.people.setdefault(email, somebody or Somebody(email))
        kind = "magiclink" if somebody.confirmed else "signup"
        token_hash = "pkce_" + secrets.token_hex(28)
        back = request.query_params.get("redirect_to", "")
        back = back if back.startswith(self.site) else self.site
        self._links = {key: it for key, it in self._links.items() if it[0] is not somebody}  # the newest one counts
        self._links[token_hash] = (somebody, body["code_challenge"], body["code_challenge_method"])
        query = urlencode({"token": token_hash, "type": kind, "redirect_to": back})
        self.mails.append(Mail(email, f"{self.url}{BASE}/verify?{query}", token_hash, kind))
        return JSONResponse({})

    async def _follow(self, request):
        back = request.query_params["redirect_to"]
        found = self._links.pop(request.query_params["token"], None)
        if found is None:
            wrong = {
                "error": "access_denied",
                "error_code": "otp_expired",
                "error_description": "Email link is invalid or has expired",
            }
            return RedirectResponse(f"{back}?{urlencode(wrong)}#{urlencode(wrong)}", 303)
        return RedirectResponse(f"{back}?code={self._code(*found)}", 303)

    async def _verify(self, request):
        body = await _asked_with(request, ANON)
        found = self._links.pop(body["token_hash"], None)
        if found is None or body["type"] not in {"email", "magiclink", "signup"}:
            raise Refusal(403, "otp_expired", "Email link is invalid or has expired")
        return self._session(found[0])

    async def _authorize(self, request):
        asked = request.query_params
        if asked["provider"] not in {"github", "google"}:
            raise Refusal(400, "validation_failed", "Unsupported provider: provider is not enabled")
        somebody = self.people.setdefault(self.provider_person.email, self.provider_person)
        code = self._code(somebody, asked["code_challenge"], asked["code_challenge_method"])
        return RedirectResponse(f"{asked['redirect_to']}?code={code}", 302)

    async def _token(self, request):
        body = await _asked_with(request, ANON)
        if request.query_params.get("grant_type") != "pkce":
            raise Refusal(400, "validation_failed", "unsupported_grant_type")
        found = self._codes.get(body["auth_code"])
        if found is None:
            raise Refusal(404, "flow_state_not_found", "invalid flow state, no valid flow state found")
        somebody, challenge, method = found
        digest = base64.urlsafe_b64encode(hashlib.sha256(body["code_verifier"].encode()).digest()).rstrip(b"=")
        if method != "s256" or digest.decode() != challenge:
            raise Refusal(400, "bad_code_verifier", "code challenge does not match previously saved code verifier")
        del self._codes[body["auth_code"]]
        return self._session(somebody)

    async def _logout(self, request):
        token = request.headers["authorization"].removeprefix("Bearer ")
        claims = jwt.decode(token, self.signing.private.public_key(), ["ES256"], audience="authenticated")
        self.sessions.discard(claims["session_id"])
        return Response(status_code=204)

    async def _delete(self, request):
        await _asked_with(request, SECRET)
        found = [email for email, it in self.people.items() if it.id == request.path_params["id"]]
        if not found:
            raise Refusal(404, "user_not_found", "User not found")
        del self.people[found[0]]
        return JSONResponse({})

    async def _keys(self, _request):
        return JSONResponse({"keys": self.published})

    def _code(self, somebody, challenge, method):
        code = str(uuid4())
        self._codes[code] = (somebody, challenge, method)
        return code

    def _session(self, somebody):
        somebody.confirmed = True
        token = self.sign(somebody)
        claims = jwt.decode(token, options={"verify_signature": False})
        self.sessions.add(claims["session_id"])
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        user = {
            "id": somebody.id,
            "aud": "authenticated",
            "role": "authenticated",
            "email": somebody.email,
            "app_metadata": {"provider": "email"},
            "user_metadata": somebody.about,
            "identities": [],
            "created_at": now,
            "updated_at": now,
            "is_anonymous": False,
        }
        session = {"access_token": token, "token_type": "bearer", "expires_in": 3600, "expires_at": claims["exp"]}
        return JSONResponse({**session, "refresh_token": secrets.token_urlsafe(9), "user": user}, headers=VERSION)


class _Looking:
    """Notes who asked for what, and answers for a server that is down."""

    def __init__(self, app, double):
        self._app, self._double = app, double

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        self._double.seen.append((scope["method"], scope["path"]))
        if self._double.hold is not None:
            await self._double.hold.wait()
        app = Response("upstream is away", 503) if self._double.down else self._app
        return await app(scope, receive, send)


async def _asked_with(request: Request, key: str):
    """The body, if the request brings a key that may. A key that is no JWT must not come as a bearer."""
    assert "authorization" not in request.headers
    if request.headers.get("apikey") != key:
        raise Refusal(401, None, "Invalid API key")
    return await request.json()


async def _refuse(_request, refusal):
    return JSONResponse(refusal.body, refusal.status, headers=VERSION)


@asynccontextmanager
async def supabase_running(**about):
    """A project that answers on loopback for as long as the block lasts."""
    double = SupabaseDouble(**about)
    async with running(double.app) as url:
        double.url = url
        yield double
