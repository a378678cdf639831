"""A client of Home Assistant's REST API."""

from typing import Any

from aiohttp import ClientError, ClientResponse, ClientSession

from demo.world.errors import ComponentError

type Json = Any
USER = "demo"
PASSWORD = "demo"  # noqa: S105 - not a secret: printed at start; this Home Assistant listens on loopback only


class HassApi:
    """A signed-in client of one Home Assistant."""

    def __init__(self, session: ClientSession, url: str) -> None:
        self._session = session
        self.url = url
        self.tokens: Json = None
        """The token endpoint's response, as the frontend stores it."""

    @property
    def client_id(self) -> str:
        """The OAuth client id, as the frontend forms it."""
        return f"{self.url}/"

    async def is_up(self) -> bool:
        """Return whether the web server is up."""
        try:
            async with self._session.get(f"{self.url}/manifest.json") as response:
                return response.ok
        except ClientError:
            return False

    async def sign_in(self) -> None:
        """Sign in as the demo's user. The first time, create the user as onboarding does."""
        async with self._session.get(f"{self.url}/api/onboarding") as response:
            steps = await response.json() if response.ok else []  # the route disappears once onboarding is complete
        has_user = all(step["done"] for step in steps)
        code = await (self._log_in() if has_user else self._create_user())
        form = {"grant_type": "authorization_code", "code": code, "client_id": self.client_id}
        async with self._session.post(f"{self.url}/auth/token", data=form) as response:
            self.tokens = await _read_answer(response)

    async def _create_user(self) -> str:
        user = {"client_id": self.client_id, "name": "Demo", "username": USER, "password": PASSWORD, "language": "en"}
        answer = await self._send("POST", "/api/onboarding/users", user)
        return str(answer["auth_code"])

    async def _log_in(self) -> str:
        begin = {"client_id": self.client_id, "handler": ["homeassistant", None], "redirect_uri": self.client_id}
        flow = await self._send("POST", "/auth/login_flow", begin)
        login = {"client_id": self.client_id, "username": USER, "password": PASSWORD}
        done = await self._send("POST", f"/auth/login_flow/{flow['flow_id']}", login)
        if done["type"] != "create_entry":
            raise ComponentError(f"Home Assistant refused the login {USER}/{PASSWORD}; start with --fresh")
        return str(done["result"])

    async def get(self, path: str) -> Json:
        """GET a path under /api/."""
        return await self._send("GET", f"/api/{path}")

    async def post(self, path: str, body: Json = None) -> Json:
        """POST to a path under /api/."""
        return await self._send("POST", f"/api/{path}", body)

    async def delete(self, path: str) -> Json:
        """DELETE a path under /api/."""
        return await self._send("DELETE", f"/api/{path}")

    async def _send(self, method: str, path: str, body: Json = None) -> Json:
        headers = {"HA-Frontend-Base": self.url}  # as the frontend sends it; external sign-in pages redirect there
        if self.tokens:
            headers["Authorization"] = f"Bearer {self.tokens['access_token']}"
        async with self._session.request(method, f"{self.url}{path}", json=body, headers=headers) as response:
            return await _read_answer(response)


async def _read_answer(response: ClientResponse) -> Json:
    if response.ok:
        return await response.json()
    body = await response.text()
    request = f"{response.method} {response.url.path}"
    raise ComponentError(f"Home Assistant answered {response.status} to {request}: {body}")
