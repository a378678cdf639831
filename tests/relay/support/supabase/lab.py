"""Ask the double what the real server was asked, and write down the answers in the form of `observed.json`."""

import re
from urllib.parse import parse_qsl, urlsplit

import httpx
import jwt

from tests.relay.support.supabase.double import ANON, BASE, SupabaseDouble
from tests.relay.support.supabase.provider_routes import PROVIDER_PATH

SITE, SERVER = "http://site.example", "http://auth.example"
BACK = f"{SITE}/auth/callback"
VERIFIERS = {letter: letter * 43 for letter in "ABvw"}
_SECRETS = frozenset({"access_token", "code", "expires_at", "refresh_token", "state"})
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Lab:
    """One project, one client, and the rows that a scenario has written down."""

    def __init__(self):
        self.double = SupabaseDouble(site=SITE)
        self.double.url = SERVER
        self.double.enabled_providers = {"github"}
        transport = httpx.ASGITransport(self.double.app)
        self.client = httpx.AsyncClient(transport=transport, base_url=SERVER + BASE)
        self.rows = []

    def note(self, case, value):
        self.rows.append((case, value))

    async def request(self, method, path, *, key=ANON, **options):
        """The response, without writing it down. `key` None sends no API key."""
        headers = {} if key is None else {"apikey": key}
        return await self.client.request(method, path, headers=headers | options.pop("headers", {}), **options)

    async def ask(self, case, method, path, **options):
        """The response, written down as this case."""
        response = await self.request(method, path, **options)
        self.note(case, describe_response(response))
        return response

    async def send_link(self, email, *, verifier="v", redirect_to=None, **fields):
        """Response to the request for a link, with a plain challenge unless `verifier` is None."""
        pkce = {}
        if verifier is not None:
            pkce = {"code_challenge": VERIFIERS[verifier], "code_challenge_method": "plain"}
        params = None if redirect_to is None else {"redirect_to": redirect_to}
        return await self.request("POST", "/otp", params=params, json={"email": email, **pkce, **fields})

    async def note_link(self, case, email, **options):
        self.note(case, describe_response(await self.send_link(email, **options)))

    async def open(self, case, mail):
        """The response to opening an email's link, written down unless `case` is None."""
        response = await self.client.get(mail.link)
        if case is not None:
            self.note(case, describe_response(response))
        return response

    async def get_code(self, email, **options):
        """A code from a new link for this address."""
        response = await self.send_link(email, **options)
        assert response.status_code == 200, response.text
        return get_code(await self.open(None, self.double.mails[-1]))

    async def exchange(self, code, verifier="v"):
        body = {"auth_code": code, "code_verifier": VERIFIERS.get(verifier, verifier)}
        return await self.request("POST", "/token?grant_type=pkce", json=body)

    async def note_exchange(self, case, code, verifier="v"):
        response = await self.exchange(code, verifier)
        self.note(case, describe_response(response))
        return response

    async def verify(self, case, token_hash, kind="email", **options):
        body = {"token_hash": token_hash, "type": kind, **options.pop("body", {})}
        body = {name: value for name, value in body.items() if value is not None}
        return await self.ask(case, "POST", "/verify", json=body, **options)

    async def sign_in(self, email):
        """Claims and bearer header of a new session."""
        await self.send_link(email)
        body = {"token_hash": self.double.mails[-1].token_hash, "type": "email"}
        session = (await self.request("POST", "/verify", json=body)).json()
        return session, {"Authorization": f"Bearer {session['access_token']}"}


def get_code(response):
    return dict(parse_qsl(urlsplit(response.headers["location"]).query))["code"]


def read_claims(session):
    return jwt.decode(session["access_token"], options={"verify_signature": False})


def describe_response(response):
    described = {"status": response.status_code}
    if response.is_redirect:
        return {**described, "to": _describe_target(response.headers["location"])}
    if not response.content:
        return {**described, "empty": True}
    if "x-sb-error-code" in response.headers:
        described["x-sb-error-code"] = response.headers["x-sb-error-code"]
    described["type"] = response.headers["content-type"]
    if not described["type"].startswith("application/json"):
        return {**described, "text": response.text}
    content = response.json()
    if response.status_code < 400:
        return {**described, "keys": sorted(content)}
    if "error_id" in content:
        content["error_id"] = "<id>" if _UUID.fullmatch(content["error_id"]) else content["error_id"]
    return {**described, "body": content}


def _describe_target(location):
    parts = urlsplit(location)
    query, fragment = (
        {name: "<code>" if name in _SECRETS else value for name, value in parse_qsl(text, keep_blank_values=True)}
        for text in (parts.query, parts.fragment)
    )
    path = parts.path.removesuffix("/")
    if location.startswith(SERVER + PROVIDER_PATH):
        query = {name: value.replace(SITE, "SITE").replace(SERVER, "SELF") for name, value in query.items()}
        return ["OTHER", "", query, fragment]
    place = {SITE: "SITE", SERVER: "SELF"}.get(f"{parts.scheme}://{parts.netloc}", location)
    return [place, path, query, fragment]
