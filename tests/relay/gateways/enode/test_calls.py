"""The requests that the client's calls send, also with hostile ids, and what the calls return."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.gateways.enode import ActionKind, DeliveryHeader, EnodeNotFound, EnodeProtocolError, EnodeRefused

SESSION = {"linkUrl": "https://link.test/abc", "linkToken": "abc"}
INTERVENTION = {
    "id": "9a3a0e0e",
    "vendor": "TESLA",
    "vendorType": "vehicle",
    "brand": "Tesla",
    "introducedAt": "2023-12-15T00:00:00.000Z",
    "domain": "Device",
    "resolution": {
        "title": "Add a virtual key",
        "description": "Open the link flow again while in the car.",
        "access": "Physical",
        "agent": "User",
        "action": "Link",
    },
}
TESTED = {"status": "FAILURE", "description": "no answer", "response": {"code": 500, "body": "", "headers": None}}
SCOPES = ["vehicle:read:data", "vehicle:control:charging"]
RELINK = {"language": "nl-NL", "redirect_uri": "https://r.test/x"}
LINK = RELINK | {"scopes": SCOPES}
SENT_RELINK = {"language": "nl-NL", "redirectUri": "https://r.test/x"}
SENT_LINK = SENT_RELINK | {"scopes": SCOPES}
EMPTY_PAGE = {"data": [], "pagination": {"after": None, "before": None}}


async def drain(items):
    return [item async for item in items]


CALLS = [
    # call, response body (or the name of a fixture), method and target, request body
    (lambda c: c.users.get("u/1"), {"id": "u/1"}, "GET /users/u%2F1", None),
    (lambda c: c.users.delete("u 1"), None, "DELETE /users/u%201", None),
    (lambda c: c.users.disconnect_vendor("u", "TES?LA"), None, "DELETE /users/u/vendors/TES%3FLA", None),
    (lambda c: drain(c.users.list()), EMPTY_PAGE, "GET /users?pageSize=50", None),
    (lambda c: c.links.create("u", **LINK), SESSION, "POST /users/u/link", SENT_LINK),
    (
        lambda c: c.links.create("u", **LINK, vendor="TESLA", color_scheme="dark"),
        SESSION,
        "POST /users/u/link",
        SENT_LINK | {"vendor": "TESLA", "colorScheme": "dark"},
    ),
    (lambda c: c.links.relink("a", **RELINK), SESSION, "POST /assets/a/relink", SENT_RELINK),
    (lambda c: drain(c.vehicles.list_all()), EMPTY_PAGE, "GET /vehicles?pageSize=50", None),
    (lambda c: drain(c.vehicles.list_for_user("u#1")), EMPTY_PAGE, "GET /users/u%231/vehicles?pageSize=50", None),
    (lambda c: c.vehicles.send_refresh_hint("v%2e"), None, "POST /vehicles/v%252e/refresh-hint", None),
    (lambda c: c.webhooks.get("w"), "subscription", "GET /webhooks/w", None),
    (lambda c: c.webhooks.delete("w"), None, "DELETE /webhooks/w", None),
    (lambda c: drain(c.webhooks.list()), EMPTY_PAGE, "GET /webhooks?pageSize=50", None),
    (
        lambda c: c.webhooks.create(url="https://r.test", secret="s3cret"),
        "subscription",
        "POST /webhooks",
        {"url": "https://r.test", "secret": "s3cret", "events": ["*"], "apiVersion": "2024-10-01"},
    ),
    (
        lambda c: c.webhooks.create(
            url="https://r.test",
            secret="s3cret",
            events=("user:vehicle:updated", "user:vehicle:deleted"),
            header=DeliveryHeader(name="x-a", value="v"),
        ),
        "subscription",
        "POST /webhooks",
        {
            "url": "https://r.test",
            "secret": "s3cret",
            "events": ["user:vehicle:updated", "user:vehicle:deleted"],
            "apiVersion": "2024-10-01",
            "authentication": {"headerName": "x-a", "headerValue": "v"},
        },
    ),
    (lambda c: c.webhooks.update("w"), "subscription", "PATCH /webhooks/w", {}),
    (
        lambda c: c.webhooks.update("w", url="https://n.test", header=None),
        "subscription",
        "PATCH /webhooks/w",
        {"url": "https://n.test", "authentication": None},
    ),
    (
        lambda c: c.webhooks.update("w", events=["*"], secret="n3w-s3cret", header=DeliveryHeader(name="x", value="v")),
        "subscription",
        "PATCH /webhooks/w",
        {"events": ["*"], "secret": "n3w-s3cret", "authentication": {"headerName": "x", "headerValue": "v"}},
    ),
    (lambda c: c.webhooks.test("w"), TESTED, "POST /webhooks/w/test", None),
    (
        lambda c: c.vehicles.control_charging("v", ActionKind.STOP),
        "action",
        "POST /vehicles/v/charging",
        {"action": "STOP"},
    ),
    (lambda c: c.actions.get("a"), "action", "GET /vehicles/actions/a", None),
    (lambda c: c.actions.cancel("a"), "action", "POST /vehicles/actions/a/cancel", None),
    (lambda c: c.health.list_vehicle_vendors(), [], "GET /health/vehicles", None),
    (lambda c: c.interventions.list(), [INTERVENTION], "GET /interventions", None),
    (
        lambda c: c.interventions.list(language="nl-NL", vendor="A&B", vendor_type="vehicle"),
        [],
        "GET /interventions?language=nl-NL&vendor=A%26B&vendorType=vehicle",
        None,
    ),
    (lambda c: c.interventions.get("i", language="nl-NL"), INTERVENTION, "GET /interventions/i?language=nl-NL", None),
]


@pytest.mark.parametrize("row", CALLS, ids=[line for _, _, line, _ in CALLS])
async def test_each_call_sends_the_documented_request(client, enode, request, row):
    call, response_body, line, body = row
    if isinstance(response_body, str):
        response_body = request.getfixturevalue(response_body)
    enode.script = [httpx.Response(204) if response_body is None else httpx.Response(200, json=response_body)]
    await call(client)
    (sent,) = enode.requests
    assert f"{sent.method} {sent.url.raw_path.decode()}" == line
    assert (json.loads(sent.content) if sent.content else None) == body
    assert sent.headers.get("content-type") == ("application/json" if body is not None else None)
    assert sent.headers["enode-version"] == "2024-10-01"
    assert sent.headers["authorization"] == "Bearer token-1"


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(identifier=st.text(max_size=30))
async def test_any_id_stays_one_path_segment_of_its_route(client, enode, identifier):
    enode.requests.clear()
    enode.script = [httpx.Response(200, json={"id": "x"})]
    try:
        await client.users.get(identifier)
    except EnodeNotFound:
        assert enode.requests == []
        return
    path = enode.requests[0].url.raw_path.decode()
    assert path.startswith("/users/")
    assert path.count("/") == 2
    assert httpx.URL(f"https://x/{path.rpartition('/')[2]}").path == f"/{identifier}"


@pytest.mark.parametrize("identifier", ["", ".", "..", "\ud800", "x" * 2000])
async def test_id_unusable_in_a_path_is_not_found_without_a_request(client, enode, identifier):
    with pytest.raises(EnodeNotFound):
        await client.users.delete(identifier)
    with pytest.raises(EnodeNotFound):
        await client.users.disconnect_vendor("user", identifier)
    assert enode.requests == []


async def test_base_url_with_a_path_keeps_the_path(make_client, enode, config):
    enode.script = [httpx.Response(204)]
    client = await make_client(enode, replace(config, base_url="https://api.test/enode/"))
    await client.users.delete("u")
    assert enode.requests[0].url.path == "/enode/users/u"


async def test_vehicle_keeps_every_key_that_enode_sent(client, enode, vehicle):
    enode.script = [httpx.Response(200, json=vehicle)]
    reading = await client.vehicles.get("vehicle")
    assert reading.vehicle == vehicle
    assert (reading.id, reading.user_id) == (vehicle["id"], "ha-user-7f3a")


@pytest.mark.parametrize(
    ("date", "as_of"),
    [
        ("Sat, 14 Mar 2026 09:30:10 GMT", datetime(2026, 3, 14, 9, 30, 8, tzinfo=UTC)),  # Enode's clock, not ours
        (None, datetime(2026, 3, 14, 8, 0, tzinfo=UTC)),
        ("yesterday", datetime(2026, 3, 14, 8, 0, tzinfo=UTC)),
        ("Sat, 99 Mar 2026 09:30:10 GMT", datetime(2026, 3, 14, 8, 0, tzinfo=UTC)),
        ("Sat, 14 Mar 2026 09:30:10 +9999999999999", datetime(2026, 3, 14, 8, 0, tzinfo=UTC)),
    ],
)
async def test_reading_is_dated_before_its_request_was_sent(client, enode, vehicle, date, as_of):
    def answer_after_two_seconds(_request):
        enode.fake_clock.seconds += 2
        return httpx.Response(200, json=vehicle, headers={"date": date} if date else {})

    enode.script = [answer_after_two_seconds]
    assert (await client.vehicles.get("vehicle")).as_of == as_of


async def test_reading_is_dated_by_the_attempt_that_succeeded(client, enode, fake_clock, vehicle):
    date = {"date": "Sat, 14 Mar 2026 09:30:10 GMT"}
    enode.script = [httpx.Response(503, headers={"retry-after": "9"}), httpx.Response(200, json=vehicle, headers=date)]
    assert (await client.vehicles.get("vehicle")).as_of == datetime(2026, 3, 14, 9, 30, 10, tzinfo=UTC)
    assert fake_clock.sleeps == [9]


def paginate(vehicles, size):
    """The server side of a list of vehicles, with pages of `size` and an opaque cursor."""

    def handler(request):
        start = int(request.url.params.get("after", "c 0&").strip("c &"))
        after = f"c {start + size}&" if start + size < len(vehicles) else None
        data = vehicles[start : start + size]
        return httpx.Response(200, json={"data": data, "pagination": {"after": after, "before": None}})

    return handler


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
async def test_all_pages_are_read_in_order(client, enode, vehicle, count):
    vehicles = [vehicle | {"id": f"v{number}"} for number in range(count)]
    enode.script = [paginate(vehicles, 2)]
    assert [reading.vehicle async for reading in client.vehicles.list_for_user("u")] == vehicles
    assert len(enode.requests) == max(1, -(-count // 2))
    assert {request.url.params["pageSize"] for request in enode.requests} == {"50"}


async def test_users_and_webhook_subscriptions_are_listed(client, enode, subscription):
    users = [{"id": "a", "createdAt": "2026-03-14T08:00:00.000Z"}, {"id": "b"}]
    enode.script = [httpx.Response(200, json=EMPTY_PAGE | {"data": users})]
    assert [(user.id, user.created_at) for user in await drain(client.users.list())] == [
        ("a", datetime(2026, 3, 14, 8, 0, tzinfo=UTC)),
        ("b", None),
    ]
    enode.script = [httpx.Response(200, json=EMPTY_PAGE | {"data": [subscription]})]
    assert [found.id for found in await drain(client.webhooks.list())] == [subscription["id"]]


async def test_stopping_the_iteration_fetches_no_more_pages(client, enode, vehicle):
    enode.script = [paginate([vehicle] * 10, 2)]
    async for _ in client.vehicles.list_all():
        break
    assert len(enode.requests) == 1


async def test_each_page_has_its_own_retries(client, enode, vehicle):
    pages = paginate([vehicle] * 4, 2)
    enode.script = [httpx.Response(500), pages, httpx.Response(429), pages]
    assert len(await drain(client.vehicles.list_all())) == 4


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"data": None},
        {"data": {}},
        {"data": ["x"]},
        {"data": [{"id": "v"}]},
        {"data": [], "pagination": {"after": "same"}},
        {"data": [], "pagination": {"after": "x" * 5000}},
        {"data": [], "pagination": {"after": "\ud800"}},
    ],
)
async def test_malformed_or_endless_list_raises_protocol_error(client, enode, document):
    enode.script = [httpx.Response(200, content=json.dumps(document))]
    with pytest.raises(EnodeProtocolError):
        await drain(client.vehicles.list_all())
    assert len(enode.requests) <= 2


@pytest.mark.parametrize("document", [{"data": []}, {"data": [], "pagination": None}, {"data": [], "pagination": []}])
async def test_list_without_cursors_is_one_page(client, enode, document):
    enode.script = [httpx.Response(200, json=document)]
    assert await drain(client.vehicles.list_all()) == []


async def test_cancelling_a_finished_action_returns_it_unchanged(client, enode, action):
    enode.script = [httpx.Response(409, json=action | {"state": "CONFIRMED"})]
    assert (await client.actions.cancel("a")).state == "CONFIRMED"


async def test_conflict_with_a_problem_document_raises_refused(client, enode):
    enode.script = [httpx.Response(409, json={"type": "x/conflict", "title": "No", "detail": ""})]
    with pytest.raises(EnodeRefused) as caught:
        await client.actions.cancel("a")
    assert caught.value.problem.slug == "conflict"


@pytest.mark.parametrize(("status", "ready"), [(204, True), (200, True), (503, False)])
async def test_is_ready_follows_the_status(client, enode, status, ready):
    enode.script = [httpx.Response(status)]
    assert await client.health.is_ready() is ready
    assert len(enode.requests) == 1
