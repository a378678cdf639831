"""Keys and tokens of a Home Assistant never manage keys, consent or the account: only a signed-in user does."""

import pytest

from relay.identity.credentials import hash_secret
from relay.pages.site import ROUTERS
from tests.relay.api_docs.conftest import JWT, KEY, USER_ID
from tests.relay.every_route.routes import UNOWNED_PATH_VALUES, fill_path

ACCESS_TOKEN = "eva_" + "X" * 43
USER_ONLY_OPERATIONS = (
    ("GET", "/api/user/export", None),
    ("POST", "/api/user/vehicles/served", {"vehicles": []}),
    ("DELETE", "/api/user", {"confirm": str(USER_ID)}),
)
PUBLIC_PAGES = ("/", "/sign-in", "/register", "/terms", "/waiting", "/auth/callback", "/link/{token}", "/link-callback")
"""Pages for visitors who aren't signed in, and redirects."""


@pytest.fixture
async def installation_tokens(pool, url) -> tuple[str, str]:
    """A key and an access token of Ada's, with all scopes."""
    async with pool.connection() as connection:
        await connection.execute("update oauth_tokens set access_hash = %s", [hash_secret(ACCESS_TOKEN)])
    return (KEY, ACCESS_TOKEN)


async def test_only_a_signed_in_user_manages_the_account(ada, installation_tokens, pool):
    for method, path, body in USER_ONLY_OPERATIONS:
        for token in installation_tokens:
            response = await ada.request(method, path, json=body, headers={"Authorization": f"Bearer {token}"})
            problem = (response.status_code, response.json()["type"])
            assert problem == (403, "urn:evconduit:problem:forbidden"), path
    async with pool.connection() as connection:
        row = await (await connection.execute("select closed_at from users where id = %s", [USER_ID])).fetchone()
    assert row == (None,)
    for method, path, body in USER_ONLY_OPERATIONS:
        response = await ada.request(method, path, json=body, headers={"Authorization": f"Bearer {JWT}"})
        assert response.status_code < 300, path


async def test_keys_and_access_tokens_open_no_page(ada, ids, installation_tokens):
    ada.cookies.clear()
    checked = 0
    for route in (route for router in ROUTERS for route in router.routes):
        if route.path in PUBLIC_PAGES or "/sign-in/" in route.path:
            continue
        for method in route.methods & {"GET", "POST"}:
            for token in installation_tokens:
                response = await ada.request(
                    method,
                    fill_path(route.path, ids | UNOWNED_PATH_VALUES),
                    headers={"Authorization": f"Bearer {token}"},
                    **({"data": {"csrf": ada.csrf}} if method == "POST" else {}),
                )
                # An authorization request without a valid client gets its error page before any sign-in.
                is_closed = response.status_code in {303, 403} or route.path == "/oauth/authorize"
                assert is_closed, (method, route.path, response.status_code)
                assert "evconduit_session" not in str(response.headers.get_list("set-cookie"))
                checked += 1
    assert checked > 40
