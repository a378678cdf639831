"""An installation sees, changes and tests only its own classic webhooks, and a read-only one changes nothing."""

import pytest

from tests.relay.support.endpoints import (
    get_status_and_slug,
    make_runtime,
    open_classic_client,
    open_test_outbound,
    respond_with,
    run_receiver,
)
from tests.relay.support.feed import add_installation, add_user, fetch_value, put_vehicle

SECRET_ID = "a-webhook-id-that-nobody-may-see"


@pytest.fixture
async def webhooks(pool):
    async with open_test_outbound() as outbound, open_classic_client(make_runtime(pool, outbound)) as client:
        yield client


@pytest.fixture
async def receiver():
    async with run_receiver() as receiver:
        receiver.answer = respond_with("OK")
        yield receiver


@pytest.fixture
async def ada(pool):
    return await add_user(pool)


@pytest.fixture
async def register(webhooks, receiver):
    async def register_webhook(installation, webhook_id=SECRET_ID, path="", **fields):
        body = {"webhook_id": webhook_id, "external_url": receiver.url(path), **fields}
        return await webhooks.post("/register", json=body, headers=installation.header)

    return register_webhook


async def get_status(webhooks, installation):
    return (await webhooks.get("/status", headers=installation.header)).json()


async def list_urls(pool):
    async with pool.connection() as connection:
        return await fetch_value(connection, "select coalesce(array_agg(url order by url), '{}') from endpoints")


@pytest.mark.parametrize("scopes", [("read",), ("read", "control")])
async def test_another_installation_of_the_account_neither_sees_tests_nor_deletes_a_webhook(
    pool, webhooks, receiver, *, register, ada, scopes
):
    assert (await register(ada)).status_code == 200
    other = await add_installation(pool, ada.id, scopes=scopes)
    assert await get_status(webhooks, other) == {"registered": False}
    await webhooks.post("/test", headers=other.header)
    assert receiver.posts == []
    for query in ({}, {"webhook_id": SECRET_ID}):
        await webhooks.delete("/register", params=query, headers=other.header)
    assert await list_urls(pool) == [receiver.url(f"/api/webhook/{SECRET_ID}")]
    assert (await get_status(webhooks, ada))["registered"] is True


async def test_another_installation_cannot_redirect_a_webhook(pool, webhooks, receiver, register, ada):
    vehicle_id = str((await put_vehicle(pool, ada.id))[0])
    await register(ada, vehicle_id=vehicle_id)
    other = await add_installation(pool, ada.id)
    assert (await register(other, path="/elsewhere", vehicle_id=vehicle_id)).status_code == 200
    assert await list_urls(pool) == [
        receiver.url(f"/api/webhook/{SECRET_ID}"),
        receiver.url(f"/elsewhere/api/webhook/{SECRET_ID}"),
    ]
    await webhooks.post("/test", headers=ada.header)
    assert [post.path for post in receiver.posts] == [f"/api/webhook/{SECRET_ID}"]
    await webhooks.delete("/register", headers=other.header)
    assert await list_urls(pool) == [receiver.url(f"/api/webhook/{SECRET_ID}")]


async def test_many_webhooks_of_one_installation_replace_none_of_another(pool, webhooks, register, ada):
    await register(ada)
    other = await add_installation(pool, ada.id)
    for number in range(21):
        assert (await register(other, f"other-{number}")).status_code == 200
    assert (await get_status(webhooks, ada))["registered"] is True
    assert len(await list_urls(pool)) == 1 + 20


async def test_read_only_installation_can_look_but_not_register_unregister_or_test(
    pool, webhooks, receiver, register, ada
):
    reader = await add_installation(pool, ada.id, scopes=("read",))
    assert get_status_and_slug(await register(reader)) == (403, "forbidden")
    assert get_status_and_slug(await webhooks.delete("/register", headers=reader.header)) == (403, "forbidden")
    assert get_status_and_slug(await webhooks.post("/test", headers=reader.header)) == (403, "forbidden")
    assert await get_status(webhooks, reader) == {"registered": False}
    assert (receiver.posts, await list_urls(pool)) == ([], [])


async def test_status_shows_no_url_and_no_webhook_id(webhooks, receiver, register, ada):
    await register(ada)
    response = await webhooks.get("/status", headers=ada.header)
    assert response.json() == {"registered": True, "webhook_id": None, "external_url": None}
    assert SECRET_ID not in response.text
    assert str(receiver.port) not in response.text


async def test_unregistering_by_id_leaves_the_installations_other_webhooks(pool, webhooks, receiver, register, ada):
    for webhook_id in ("one", "two"):
        await register(ada, webhook_id)
    response = await webhooks.delete("/register", params={"webhook_id": "one"}, headers=ada.header)
    assert response.json()["message"] == "Webhooks unregistered: 1."
    assert await list_urls(pool) == [receiver.url("/api/webhook/two")]
