import asyncio
from datetime import timedelta

import pytest
from aiohttp import ClientTimeout, web
from aiohttp.test_utils import TestServer
from homeassistant.core import HomeAssistant
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from relay_double import ACCOUNT_ID, HYUNDAI, KEY, RENAULT, TESLA, Problem, RelayDouble, make_command

from custom_components.evconduit.client import (
    AccountDisabledError,
    CommandKind,
    CommandRefusedError,
    CommandState,
    EnodeUnavailableError,
    ForbiddenError,
    NotFoundError,
    PlanRequiredError,
    QuotaExhaustedError,
    RelayClient,
    RelayConnectionError,
    RelayError,
    TooManyRequestsError,
    TryAgainError,
    UnauthorizedError,
    UnsupportedRelayError,
)
from custom_components.evconduit.client import (
    client as client_module,
)

REFUSALS = [
    (Problem(401, "unauthorized"), UnauthorizedError),
    (Problem(401, None), UnauthorizedError),
    (Problem(403, "forbidden"), ForbiddenError),
    (Problem(403, "plan-required"), PlanRequiredError),
    (Problem(402, "payment-required"), PlanRequiredError),
    (Problem(403, "account-disabled"), AccountDisabledError),
    (Problem(404, "not-found"), UnsupportedRelayError),
    (Problem(413, "too-large"), RelayError),
    (Problem(422, "invalid-request"), RelayError),
    (Problem(429, "too-many-streams"), TooManyRequestsError),
    (Problem(429, "quota-exhausted", headers={"Retry-After": "90"}), QuotaExhaustedError),
    (Problem(500, "internal"), RelayError),
    (Problem(502, "enode-unavailable"), EnodeUnavailableError),
    (Problem(503, "unavailable"), TryAgainError),
    (Problem(503, body=b"<html>"), TryAgainError),
    (Problem(418, "from-the-future"), RelayError),
    (Problem(200, body=b"not json"), UnsupportedRelayError),
    (Problem(200, body=b"[]"), UnsupportedRelayError),
    (Problem(200, body=b'{"id": NaN}'), UnsupportedRelayError),
    (Problem(200, body=b"{}"), UnsupportedRelayError),
    (Problem(302, headers={"Location": "/elsewhere"}), RelayError),
    (Problem(200, body=b'{"id": "1"}', is_relay=False), UnsupportedRelayError),
    (Problem(302, headers={"Location": "/elsewhere"}, is_relay=False), UnsupportedRelayError),
    (Problem(401, is_relay=False), UnsupportedRelayError),
    (Problem(404, is_relay=False), UnsupportedRelayError),
    (Problem(500, is_relay=False), UnsupportedRelayError),
    (Problem(429, is_relay=False, headers={"Retry-After": "30"}), RelayConnectionError),
    (Problem(502, is_relay=False), RelayConnectionError),
]


async def test_get_account_and_snapshot(client: RelayClient):
    account = await client.get_account()
    assert (account.id, account.title, account.push, account.relay_version) == (
        ACCOUNT_ID,
        "Home garage",
        True,
        "0.1.0",
    )
    snapshot = await client.get_snapshot()
    assert snapshot.account == account
    assert [vehicle.id for vehicle in snapshot.vehicles] == [TESLA, HYUNDAI, RENAULT]


@pytest.mark.parametrize(("problem", "error"), REFUSALS, ids=lambda value: getattr(value, "__name__", None))
async def test_error_responses_raise_the_matching_error(
    relay: RelayDouble, client: RelayClient, problem: Problem, error: type[RelayError]
):
    with relay.failing("account", with_=problem), pytest.raises(RelayError) as raised:
        await client.get_account()
    assert type(raised.value) is error
    assert KEY not in str(raised.value)
    assert (await client.get_account()).id == ACCOUNT_ID


async def test_retry_after_header_is_passed_on(relay: RelayDouble, client: RelayClient):
    problem = Problem(429, "quota-exhausted", headers={"Retry-After": "90"})
    with relay.failing("vehicles", with_=problem), pytest.raises(QuotaExhaustedError) as raised:
        await client.get_snapshot()
    assert raised.value.retry_after == timedelta(seconds=90)


async def test_command_is_sent_once_with_its_idempotency_key(relay: RelayDouble, client: RelayClient):
    sent = await client.send_charging_command(TESLA, CommandKind.STOP, idempotency_key="abc")
    assert (sent.kind, sent.state, sent.is_open) == (CommandKind.STOP, CommandState.PENDING, True)
    (request,) = relay.get_requests("/charging")
    assert request.method == "POST"
    assert request.path == f"/api/ha/v2/vehicles/{TESLA}/charging"
    assert request.body == {"action": "STOP"}
    assert request.headers["Idempotency-Key"] == "abc"
    assert request.headers["Authorization"] == f"Bearer {KEY}"


async def test_get_command_returns_state_and_reason(relay: RelayDouble, client: RelayClient):
    relay.commands["c1"] = make_command(id="c1", state="failed", reason={"type": "NO_RESPONSE", "detail": "Asleep."})
    command = await client.get_command("c1")
    assert (command.state, command.reason.type, command.reason.detail) == (
        CommandState.FAILED,
        "NO_RESPONSE",
        "Asleep.",
    )


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"reason": {"type": "CONFLICT", "detail": "Not plugged in."}}, ("CONFLICT", "Not plugged in.")),
        (
            {"reason": {"type": "CONFLICT", "detail": None}, "detail": "The problem's detail."},
            ("CONFLICT", "The problem's detail."),
        ),
        ({"reason": None, "detail": None}, (None, None)),
    ],
)
async def test_refused_command_raises_with_reason(relay: RelayDouble, client: RelayClient, members, expected):
    problem = Problem(422, "command-refused", members)
    with relay.failing("charging", with_=problem), pytest.raises(CommandRefusedError) as raised:
        await client.send_charging_command(TESLA, CommandKind.START, idempotency_key="abc")
    assert (raised.value.reason.type, raised.value.reason.detail) == expected


async def test_enode_unavailable_error_carries_the_open_command(relay: RelayDouble, client: RelayClient):
    problem = Problem(502, "enode-unavailable", {"command": make_command(state="sending")})
    with relay.failing("charging", with_=problem), pytest.raises(EnodeUnavailableError) as raised:
        await client.send_charging_command(TESLA, CommandKind.START, idempotency_key="abc")
    assert raised.value.command is not None
    assert raised.value.command.is_open


async def test_command_for_unknown_vehicle_raises_not_found(client: RelayClient):
    with pytest.raises(NotFoundError):
        await client.send_charging_command("unknown", CommandKind.START, idempotency_key="abc")


async def test_closed_port_raises_connection_error(relay: RelayDouble, client: RelayClient):
    await relay.close()
    with pytest.raises(RelayConnectionError):
        await client.get_account()


async def test_timeout_raises_connection_error(
    hass: HomeAssistant, socket_enabled: None, monkeypatch: pytest.MonkeyPatch
):
    is_over = asyncio.Event()

    async def wait(_: web.Request) -> web.Response:
        await is_over.wait()
        return web.Response()

    app = web.Application()
    app.router.add_get("/{any:.*}", wait)
    async with TestServer(app, host="127.0.0.1") as server:
        client = RelayClient(async_get_clientsession(hass), str(server.make_url("")), _token(KEY))
        monkeypatch.setattr(client_module, "DEFAULT_TIMEOUT", ClientTimeout(total=0.05))
        with pytest.raises(RelayConnectionError):
            await client.get_account()
        is_over.set()


def _token(value: str):
    async def token() -> str:
        return value

    return token


async def test_redirect_does_not_send_the_key_to_another_server(
    hass: HomeAssistant, relay: RelayDouble, client: RelayClient
):
    elsewhere = RelayDouble()
    await elsewhere.start()
    moved = Problem(307, headers={"Location": f"{elsewhere.url}/api/ha/v2/account"})
    with relay.failing("account", with_=moved), pytest.raises(RelayError):
        await client.get_account()
    assert elsewhere.requests == []
    await elsewhere.close()


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "schlüssel", "nul\0"])
async def test_malformed_key_is_not_sent(hass: HomeAssistant, relay: RelayDouble, token: str):
    client = RelayClient(async_get_clientsession(hass), relay.url, _token(token))
    with pytest.raises(UnauthorizedError):
        await client.get_account()
    assert relay.requests == []
