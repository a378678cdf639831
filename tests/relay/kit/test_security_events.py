"""Security events in the log, as an operator's alerts read them, caused through the HTTP routes."""

import logging
import re
from datetime import timedelta
from http import HTTPStatus

import httpx
import pytest

from relay.app import create_app
from relay.identity.sign_in_links import create_sign_in_link
from relay.kit.ingress import SUPERVISOR_ADDRESS
from relay.metrics_routes import INTERNAL_KEY_FAILURES_TO_REPORT
from relay.settings import Settings
from tests.relay.support.feed import add_user, fetch_value
from tests.relay.usecases.oauth.client import OAuthClient, issue_code

INTERNAL_KEY = "the-key-of-the-monitoring"
INGRESS_PORT = 8399


@pytest.fixture
async def app(tmp_path, database_url):
    settings = Settings(
        data=tmp_path,
        database_url=database_url,
        secret_key="k" * 32,
        internal_api_key=INTERNAL_KEY,
        enode_webhook_secret="the-secret-of-the-webhook",
        ingress_port=INGRESS_PORT,
    )
    app = create_app(settings, database_url, with_worker=False)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def http(app):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8300") as http:
        yield http


@pytest.fixture
def oauth(app, http):
    return OAuthClient(http, app.state.runtime)


@pytest.fixture
def events(caplog):
    """A function that returns the security events since its last call, as (name, fields)."""
    caplog.set_level(logging.INFO, logger="relay")

    def take_events():
        lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("security ")]
        caplog.clear()
        matches = [re.fullmatch(r"security event=(\w+)((?: \w+=\S*)*)", line) for line in lines]
        assert all(matches), lines
        return [(match[1], dict(pair.split("=", 1) for pair in match[2].split())) for match in matches]

    return take_events


async def test_reuse_of_a_refresh_token_names_the_grant(pool, oauth, account, events):
    tokens = await oauth.sign_in(account.user_id)
    fresh = (await oauth.refresh(tokens["refresh_token"])).json()
    assert await oauth.call(fresh["access_token"]) == 200
    async with pool.connection() as connection:
        grant_id = str(await fetch_value(connection, "select id from oauth_grants"))
        await connection.execute("update oauth_tokens set used_at = used_at - %s", [timedelta(minutes=10)])
    assert events() == []
    assert (await oauth.refresh(tokens["refresh_token"])).status_code == 400
    assert events() == [("refresh_token_reused", {"grant": grant_id})]
    # The grant is revoked now, and one of the two parties goes on to use it.
    assert await oauth.call(fresh["access_token"]) == 401
    assert events() == [("revoked_credential_used", {"kind": "oauth", "credential": grant_id})]
    assert (await oauth.refresh(fresh["refresh_token"])).status_code == 400
    assert events() == []  # reported a moment ago


async def test_refresh_token_of_a_revoked_grant_is_reported(pool, oauth, account, events):
    tokens = await oauth.sign_in(account.user_id)
    async with pool.connection() as connection:
        grant_id = str(await fetch_value(connection, "update oauth_grants set revoked_at = now() returning id"))
    assert (await oauth.refresh(tokens["refresh_token"])).status_code == 400
    assert events() == [("revoked_credential_used", {"kind": "oauth", "credential": grant_id})]


async def test_reuse_of_an_authorization_code_names_the_revoked_grant(pool, oauth, account, events):
    code = await issue_code(oauth.runtime, account.user_id)
    assert (await oauth.token(code.form())).status_code == 200
    assert events() == []
    assert (await oauth.token(code.form())).status_code == 400
    async with pool.connection() as connection:
        grant_id = str(await fetch_value(connection, "select id from oauth_grants"))
    assert events() == [("authorization_code_reused", {"grant": grant_id})]


@pytest.mark.parametrize("path", ["/api/me", "/api/status/x", "/api/ha/v2/account"])
async def test_revoked_key_in_use_is_reported_once_and_names_only_its_id(pool, http, events, path):
    ada = await add_user(pool)
    assert (await http.get("/api/me", headers=ada.header)).status_code == 200
    async with pool.connection() as connection:
        await connection.execute("update api_keys set revoked_at = now()")
    for _ in range(3):
        assert (await http.get(path, headers=ada.header)).status_code == 401
    assert events() == [("revoked_credential_used", {"kind": "key", "credential": str(ada.credential)})]


async def test_unknown_keys_and_expired_tokens_are_no_event(pool, http, oauth, account, events):
    tokens = await oauth.sign_in(account.user_id)
    async with pool.connection() as connection:
        await connection.execute("update oauth_tokens set access_expires_at = now() - interval '1 s'")
    for token in ("evc_" + "A" * 43, "eva_" + "A" * 43, "x", tokens["access_token"]):
        assert (await http.get("/api/me", headers={"Authorization": f"Bearer {token}"})).status_code == 401
    assert events() == []


async def test_every_fifth_wrong_internal_key_is_reported_wherever_it_comes_from(app, events):
    for number in range(1, 2 * INTERNAL_KEY_FAILURES_TO_REPORT + 1):
        # Each network has a limit of its own.
        transport = httpx.ASGITransport(app, client=(f"203.0.113.{number}", 5000))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8300") as http:
            assert (await http.get("/metrics")).status_code == 401  # without a key, it isn't a wrong one
            await http.get("/metrics", headers={"X-Internal-API-Key": f"guess-{number}"})
            assert events() == ([("internal_key_failures", {"count": "5"})] if number % 5 == 0 else [])
            right = await http.get("/metrics", headers={"X-Internal-API-Key": INTERNAL_KEY})
            assert right.status_code == HTTPStatus.OK
    assert INTERNAL_KEY_FAILURES_TO_REPORT == 5


async def test_form_with_a_wrong_token_is_reported_with_its_route_only(http, events):
    token = "evl_" + "A" * 43
    page = await http.post(f"/sign-in/link/{token}", data={"csrf": "0" * 64})
    assert page.status_code == 403
    assert events() == [("form_token_refused", {"route": "/sign-in/link/{token}"})]
    await http.post(f"/link/{token}", headers={"Sec-Fetch-Site": "cross-site"})
    assert events() == [("form_token_refused", {"route": "/link/{token}"})]


async def test_forged_webhook_is_reported_but_not_each_of_many(http, events):
    for _ in range(3):
        await http.post("/api/webhook/enode", content=b"[]", headers={"x-enode-signature": "sha1=00"})
    assert events() == [("webhook_signature_refused", {})]


@pytest.mark.parametrize(
    ("address", "user_id", "reason"), [("172.30.32.9", "0" * 32, "address"), (SUPERVISOR_ADDRESS, "root", "user")]
)
async def test_connection_to_the_ingress_port_past_the_supervisor_is_reported(app, events, address, user_id, reason):
    transport = httpx.ASGITransport(app, client=(address, 5000))
    async with httpx.AsyncClient(transport=transport, base_url=f"http://relay:{INGRESS_PORT}") as http:
        assert (await http.get("/home", headers={"X-Remote-User-Id": user_id})).status_code == 403
    assert events() == [("ingress_refused", {"reason": reason})]


async def test_sign_in_is_logged_with_the_account_but_raises_no_alert(pool, http, account, events, caplog):
    async with pool.connection() as connection:
        token = await create_sign_in_link(connection, account.user_id)
    page = await http.get(f"/sign-in/link/{token}")
    assert events() == []
    form = {"csrf": re.search(r'name="csrf" value="([0-9a-f]{64})"', page.text)[1]}
    assert (await http.post(f"/sign-in/link/{token}", data=form)).status_code == 303
    assert {record.levelname for record in caplog.records if record.getMessage().startswith("security ")} == {"INFO"}
    assert events() == [("signed_in", {"method": "link", "account": str(account.user_id)})]
    assert (await http.post(f"/sign-in/link/{token}", data=form)).status_code in {403, 410}
    assert "signed_in" not in {name for name, _ in events()}
