"""The address in links and in OAuth metadata, with and without a public address."""

import re

import httpx
import pytest

from relay.app import create_app
from relay.settings import Settings
from relay.usecases.calls import runtime as runtime_module

METADATA = "/.well-known/oauth-authorization-server"
LOCAL, FOREIGN, OWN = "http://192.168.1.20:8300", "http://evil.example", "http://127.0.0.1:8300"
PUBLIC = "https://relay.example.org"


@pytest.fixture
def open_client(tmp_path, database_url):
    def open_one(origin, **settings):
        settings |= {"host": "0.0.0.0", "announce": False}
        settings = Settings(data=tmp_path, database_url=database_url, secret_key="k" * 32, **settings)
        app = create_app(settings, database_url, with_worker=False)
        return app, httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=origin)

    return open_one


@pytest.mark.parametrize(
    ("public_url", "origin", "expected"),
    [(None, LOCAL, LOCAL), (None, FOREIGN, OWN), (PUBLIC, LOCAL, PUBLIC), (PUBLIC, FOREIGN, PUBLIC)],
)
async def test_links_use_the_address_of_the_request_only_where_that_is_safe(
    open_client, account, public_url, origin, expected
):
    app, client = open_client(origin, public_url=public_url)
    async with app.router.lifespan_context(app), client:
        metadata = (await client.get(METADATA)).json()
        page = (await client.post("/api/user/link-vehicle", headers={"Authorization": account.header})).json()
    assert metadata["issuer"] == expected
    assert metadata["token_endpoint"] == f"{expected}/oauth/token"
    assert re.fullmatch(re.escape(expected) + "/link/[A-Za-z0-9_-]{43}", page["url"])


async def test_requests_through_ingress_do_not_choose_the_address(open_client, monkeypatch):
    app, client = open_client(LOCAL)
    monkeypatch.setattr(runtime_module, "is_ingress_scope", lambda _scope: True)
    async with app.router.lifespan_context(app), client:
        assert (await client.get(METADATA)).json()["issuer"] == OWN
