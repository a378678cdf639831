"""Keys and tokens of a Home Assistant never manage keys, consent or the account: that is a person's to do."""

import pytest

from relay.identity.credentials import hash_secret
from relay.pages.site import ROUTERS
from tests.relay.api_docs.conftest import JWT, KEY, USER_ID
from tests.relay.every_route.test_foreign_ids import OTHERS, filled

ACCESS = "eva_" + "X" * 43
A_PERSON_S = (
    ("GET", "/api/user/export", None),
    ("POST", "/api/user/vehicles/served", {"vehicles": []}),
    ("DELETE", "/api/user", {"confirm": str(USER_ID)}),
)
ANYBODY_S = ("/", "/sign-in", "/register", "/terms", "/waiting", "/auth/callback", "/link/{token}", "/link-callback")
"""Pages that are shown to who is not signed in, or lead away."""


@pytest.fixture
async def machines(pool, url) -> tuple[str, str]:
    """A key and an access token of Ada's, with all scopes there are."""
    async with pool.connection() as connection:
        await connection.execute("update oauth_tokens set access_hash = %s", [hash_secret(ACCESS)])
    return (KEY, ACCESS)


async def test_only_a_person_manages_the_account(ada, machines, pool):
    for method, path, body in A_PERSON_S:
        for token in machines:
            answer = await ada.request(method, path, json=body, headers={"Authorization": f"Bearer {token}"})
            assert (answer.status_code, answer.json()["type"]) == (403, "urn:evconduit:problem:forbidden"), path
    async with pool.connection() as connection:
        row = await (await connection.execute("select closed_at from users where id = %s", [USER_ID])).fetchone()
    assert row == (None,)
    for method, path, body in A_PERSON_S:
        answer = await ada.request(method, path, json=body, headers={"Authorization": f"Bearer {JWT}"})
        assert answer.status_code < 300, path


async def test_they_open_no_page(ada, ids, machines):
    ada.cookies.clear()
    tried = 0
    for route in (it for router in ROUTERS for it in router.routes):
        if route.path in ANYBODY_S or "/sign-in/" in route.path:
            continue
        for method in route.methods & {"GET", "POST"}:
            for token in machines:
                answer = await ada.request(
                    method,
                    filled(route.path, ids | OTHERS),
                    headers={"Authorization": f"Bearer {token}"},
                    **({"data": {"csrf": ada.csrf}} if method == "POST" else {}),
                )
                # A request for consent that names nobody is told so before anybody signs in.
                closed = answer.status_code in {303, 403} or route.path == "/oauth/authorize"
                assert closed, (method, route.path, answer.status_code)
                assert "evconduit_session" not in str(answer.headers.get_list("set-cookie"))
                tried += 1
    assert tried > 40
