import asyncio
import base64

import pytest
from standardwebhooks import Webhook

from relay.identity.credentials import parse_bearer_credential
from relay.kit.problems import Problem
from relay.usecases.calls.authorize import authenticate_caller
from relay.usecases.classic.register_webhook import (
    list_classic_webhooks,
    register_classic_webhook,
    unregister_classic_webhooks,
)
from tests.relay.support.endpoints import (
    get_endpoint_record,
    get_status_and_slug,
    register_receiver,
    respond_with,
    run_sql,
)
from tests.relay.support.feed import add_installation, add_user, fetch_value, put_vehicle


async def get_caller(pool, user):
    async with pool.connection() as connection:
        return (
            await authenticate_caller(connection, parse_bearer_credential(user.header["Authorization"]), scope="read")
        ).caller


async def test_endpoint_can_be_registered_shown_and_deleted(pool, client):
    ada = await add_user(pool)
    assert get_status_and_slug(await client.get("endpoint", headers=ada.header)) == (404, "not-found")
    created = await client.put("endpoint", json={"url": "http://127.0.0.1:8123/api/webhook/s3cret"}, headers=ada.header)
    assert created.status_code == 200
    record = created.json()
    secret = record.pop("secret")
    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    assert record == {
        "id": record["id"],
        "host": "127.0.0.1",
        "state": "on",
        "failing_since": None,
        "last_success_at": None,
        "last_failure": None,
        "next_try_at": None,
        "pending": True,
    }
    record_response = await client.get("endpoint", headers=ada.header)
    assert record_response.json() == record
    assert "s3cret" not in record_response.text
    assert (await client.delete("endpoint", headers=ada.header)).status_code == 204
    assert get_status_and_slug(await client.delete("endpoint", headers=ada.header)) == (404, "not-found")


async def test_registrations_are_rate_limited(pool, client, runtime):
    """Each registration looks up a host name, in one of a few threads that all deliveries share."""
    runtime.rate_limiter._monotonic = lambda: 0.0  # so that a slow machine is granted no more calls
    ada = await add_user(pool)
    answers = [
        await client.put("endpoint", json={"url": "http://127.0.0.1:1/a"}, headers=ada.header) for _ in range(62)
    ]
    assert answers[59].status_code == 200
    assert get_status_and_slug(answers[-1]) == (429, "too-many-requests")
    bob = await get_caller(pool, await add_user(pool))
    registrations = [
        register_classic_webhook(runtime, bob, webhook_id="w", external_url="http://127.0.0.1:1", vehicle_id="nobody's")
        for _ in range(62)
    ]
    refusals = await asyncio.gather(*registrations, return_exceptions=True)
    assert {refusal.slug for refusal in refusals} == {"not-found", "too-many-requests"}


async def test_registering_again_keeps_id_and_secret_and_switches_the_endpoint_on(pool, client):
    ada = await add_user(pool)
    first = (await client.put("endpoint", json={"url": "http://127.0.0.1:1/a"}, headers=ada.header)).json()
    async with pool.connection() as connection:
        await connection.execute(
            "update endpoints set failures = 9, failing_since = now() - interval '6 days', last_failure = 'timeout',"
            " off_at = now(), epoch = 'e', seq = 7, next_try_at = now() + interval '6 h'"
        )
    broken = (await client.get("endpoint", headers=ada.header)).json()
    assert (broken["state"], broken["last_failure"]) == ("off", "timeout")
    assert broken["failing_since"] < broken["next_try_at"]
    repeated = (await client.put("endpoint", json={"url": "http://127.0.0.2:1/b"}, headers=ada.header)).json()
    assert repeated == {**first, "host": "127.0.0.2"}
    async with pool.connection() as connection:
        assert await fetch_value(connection, "select seq from endpoints") == 7


async def test_each_key_has_its_own_endpoint_and_secret(pool, client):
    users = [await add_user(pool) for _ in range(2)]
    records = [
        (await client.put("endpoint", json={"url": "http://127.0.0.1:1/"}, headers=user.header)).json()
        for user in users
    ]
    assert len({record["secret"] for record in records}) == len({record["id"] for record in records}) == 2
    await client.delete("endpoint", headers=users[0].header)
    assert (await client.get("endpoint", headers=users[1].header)).status_code == 200
    repeated = (await client.put("endpoint", json={"url": "http://127.0.0.1:1/"}, headers=users[0].header)).json()
    assert repeated["secret"] != records[0]["secret"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, (422, "invalid-request")),
        ({"url": ""}, (422, "invalid-request")),
        ({"url": 7}, (422, "invalid-request")),
        ({"url": "https://me:pw@example.org/"}, (422, "invalid-request")),
        ({"url": "https://" + "a" * 3000}, (422, "invalid-request")),
        ({"url": "ftp://127.0.0.1/"}, (422, "invalid-request")),
        ({"url": "http://169.254.169.254/latest"}, (422, "endpoint-refused")),
        ({"url": "http://[::1]:8123/"}, (422, "endpoint-refused")),
        ({"url": "http://supervisor/core/api"}, (422, "endpoint-refused")),
    ],
)
async def test_invalid_url_is_refused_and_not_echoed(pool, client, body, expected):
    ada = await add_user(pool)
    answer = await client.put("endpoint", json=body, headers=ada.header)
    assert get_status_and_slug(answer) == expected
    assert "pw" not in answer.text
    assert get_status_and_slug(await client.get("endpoint", headers=ada.header)) == (404, "not-found")


async def test_endpoint_routes_require_read_scope_and_a_push_plan(pool, client):
    url = {"url": "http://127.0.0.1:1/"}
    assert get_status_and_slug(await client.put("endpoint", json=url)) == (401, "unauthorized")
    without_read = await add_user(pool, scopes=("control",))
    assert get_status_and_slug(await client.put("endpoint", json=url, headers=without_read.header)) == (
        403,
        "forbidden",
    )
    free = await add_user(pool, plan="free")
    for method in ("PUT", "GET", "DELETE"):
        answer = await client.request(method, "endpoint", json=url, headers=free.header)
        assert get_status_and_slug(answer) == (403, "plan-required")
    assert get_status_and_slug(await client.post("endpoint/test", headers=free.header)) == (403, "plan-required")


async def test_test_message_is_signed_and_must_be_acknowledged(pool, client, receiver):
    ada = await add_user(pool)
    assert get_status_and_slug(await client.post("endpoint/test", headers=ada.header)) == (404, "not-found")
    secret = (await client.put("endpoint", json={"url": receiver.url()}, headers=ada.header)).json()["secret"]
    answer = await client.post("endpoint/test", headers=ada.header)
    assert answer.json() == {"delivered": True, "failure": None}
    [post] = receiver.posts
    assert Webhook(secret).verify(post.body, post.headers) == {"type": "test", "cursor": None, "messages": []}
    repeated = await client.post("endpoint/test", headers=ada.header)
    assert get_status_and_slug(repeated) == (429, "too-many-tests")
    assert 0 < int(repeated.headers["Retry-After"]) <= 10


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (respond_with("OK"), "answer"),
        (respond_with('{"ack": "another"}'), "answer"),
        (respond_with("", 500), "status"),
        (respond_with("", 302, Location="http://127.0.0.1:9/"), "redirect"),
    ],
)
async def test_failed_test_reports_only_the_class_of_failure(pool, client, receiver, answer, failure):
    ada = await add_user(pool)
    receiver.answer = answer
    await client.put("endpoint", json={"url": receiver.url()}, headers=ada.header)
    response = await client.post("endpoint/test", headers=ada.header)
    assert response.json() == {"delivered": False, "failure": failure}


async def test_successful_test_switches_the_endpoint_on(pool, client, receiver):
    ada = await add_user(pool)
    await register_receiver(client, ada, receiver)
    await run_sql(pool, "update endpoints set failures = 9, failing_since = now(), off_at = now(), next_try_at = null")
    assert (await client.post("endpoint/test", headers=ada.header)).json()["delivered"] is True
    record = await get_endpoint_record(client, ada)
    assert (record["state"], record["failing_since"], record["pending"]) == ("on", None, True)
    assert record["last_success_at"] is not None


async def test_endpoint_registered_while_a_stream_is_open_gets_no_delivery(pool, runtime, client, receiver, deliverer):
    ada = await add_user(pool)
    with runtime.hub.open_listener(ada.id, ada.credential):
        await register_receiver(client, ada, receiver)
        assert await deliverer.deliver_once() == 0


async def test_latest_classic_registration_of_a_webhook_or_vehicle_wins(pool, runtime):
    ada, bob = [await add_user(pool) for _ in range(2)]
    vehicle_id, _ = await put_vehicle(pool, ada.id)
    caller = await get_caller(pool, ada)
    url = "http://127.0.0.1:8123/"
    await register_classic_webhook(runtime, caller, webhook_id="entry1", external_url=url)
    await register_classic_webhook(runtime, caller, webhook_id="entry2", external_url=url, vehicle_id=str(vehicle_id))
    assert [(webhook.url, webhook.vehicle_id) for webhook in await list_classic_webhooks(runtime, caller)] == [
        ("http://127.0.0.1:8123/api/webhook/entry1", None),
        ("http://127.0.0.1:8123/api/webhook/entry2", vehicle_id),
    ]
    # The latest registration wins, by webhook id or by vehicle.
    await register_classic_webhook(
        runtime, caller, webhook_id="entry1", external_url="http://127.0.0.2:8123", vehicle_id=""
    )
    await register_classic_webhook(runtime, caller, webhook_id="entry3", external_url=url, vehicle_id=str(vehicle_id))
    assert [webhook.url for webhook in await list_classic_webhooks(runtime, caller)] == [
        "http://127.0.0.2:8123/api/webhook/entry1",
        "http://127.0.0.1:8123/api/webhook/entry3",
    ]
    other = await get_caller(pool, bob)
    assert await list_classic_webhooks(runtime, other) == []
    assert await unregister_classic_webhooks(runtime, other) == 0
    assert await unregister_classic_webhooks(runtime, caller, "entry3") == 1
    assert await unregister_classic_webhooks(runtime, caller) == 1
    assert await list_classic_webhooks(runtime, caller) == []


async def test_classic_registration_checks_input_address_and_plan(pool, runtime):
    ada, bob = [await add_user(pool) for _ in range(2)]
    foreign, _ = await put_vehicle(pool, bob.id)
    caller = await get_caller(pool, ada)
    home = "http://127.0.0.1:8123"
    for wrong, expected in [
        ({"webhook_id": "../x", "external_url": home}, "invalid-request"),
        ({"webhook_id": "", "external_url": home}, "invalid-request"),
        ({"webhook_id": "x", "external_url": home + "/?a=1"}, "invalid-request"),
        ({"webhook_id": "x", "external_url": home + "/#a"}, "invalid-request"),
        ({"webhook_id": "x", "external_url": "http://169.254.169.254"}, "endpoint-refused"),
        ({"webhook_id": "x", "external_url": home, "vehicle_id": str(foreign)}, "not-found"),
        ({"webhook_id": "x", "external_url": home, "vehicle_id": "nobody's"}, "not-found"),
    ]:
        with pytest.raises(Problem) as raised:
            await register_classic_webhook(runtime, caller, **wrong)
        assert raised.value.slug == expected
    free = await get_caller(pool, await add_user(pool, plan="free"))
    with pytest.raises(Problem, match="Pro tier"):
        await register_classic_webhook(runtime, free, webhook_id="x", external_url=home)
    assert await list_classic_webhooks(runtime, caller) == []


async def test_an_account_keeps_only_its_newest_twenty_classic_endpoints(pool, runtime):
    caller = await get_caller(pool, await add_user(pool))
    for number in range(25):
        await register_classic_webhook(
            runtime, caller, webhook_id=f"entry{number}", external_url="http://127.0.0.1:8123"
        )
    kept = await list_classic_webhooks(runtime, caller)
    assert [webhook.webhook_id for webhook in kept] == [f"entry{number}" for number in range(5, 25)]


async def test_another_installation_of_the_account_neither_sees_tests_nor_deletes_an_endpoint(pool, client, receiver):
    ada = await add_user(pool)
    await register_receiver(client, ada, receiver)
    other = await add_installation(pool, ada.id)
    for method, path in (("GET", "endpoint"), ("POST", "endpoint/test"), ("DELETE", "endpoint")):
        answer = await client.request(method, path, headers=other.header)
        assert get_status_and_slug(answer) == (404, "not-found")
    await client.put("endpoint", json={"url": receiver.url("/elsewhere")}, headers=other.header)
    await client.delete("endpoint", headers=other.header)
    await client.post("endpoint/test", headers=ada.header)
    assert [post.path for post in receiver.posts] == ["/api/webhook/home"]
