"""What the client sends, and how long it waits."""

import asyncio
from contextlib import aclosing

import pytest
from aiohttp import ClientTimeout
from relay_double import KEY, SECRET, TESLA, Problem, RelayDouble

from custom_components.evconduit.client import (
    CommandKind,
    EndpointState,
    NotFoundError,
    RelayClient,
    RelayError,
    RelayStream,
    TryAgainError,
    UnauthorizedError,
    UnsupportedRelayError,
)
from custom_components.evconduit.client import client as client_module

URL = "https://home.example.com/api/webhook/1"


async def test_endpoint_is_registered_read_and_deleted(relay: RelayDouble, client: RelayClient):
    with pytest.raises(NotFoundError):
        await client.get_endpoint()
    with pytest.raises(NotFoundError):
        await client.delete_endpoint()
    registered = await client.register_endpoint(URL)
    assert (registered.state, registered.secret, registered.last_failure) == (EndpointState.ON, SECRET, None)
    assert relay.get_requests("/endpoint")[-1].body == {"url": URL}
    assert (await client.get_endpoint()).secret is None
    await client.delete_endpoint()
    assert [request.method for request in relay.get_requests("/endpoint")] == ["GET", "DELETE", "PUT", "GET", "DELETE"]
    assert {request.headers["Authorization"] for request in relay.requests} == {f"Bearer {KEY}"}


@pytest.mark.parametrize("body", [b"{}", b'{"state": "on", "secret": null}', b'{"state": "on", "secret": ""}'])
async def test_registration_without_secret_is_an_unsupported_relay(
    relay: RelayDouble, client: RelayClient, body: bytes
):
    with relay.failing("endpoint", with_=Problem(200, body=body)), pytest.raises(UnsupportedRelayError):
        await client.register_endpoint(URL)


@pytest.mark.parametrize("url", ["https://link.example.com/once", "http://192.168.1.20:8300/link/once"])
async def test_link_page_is_created(relay: RelayDouble, client: RelayClient, url: str):
    relay.relink_response = {"url": url}
    assert (await client.create_relink_page(TESLA)).url == url
    (request,) = relay.get_requests("/relink")
    assert (request.method, request.path) == ("POST", f"/api/ha/v2/vehicles/{TESLA}/relink")


@pytest.mark.parametrize("url", ["javascript:alert(1)", "ftp://link.example.com", "HTTPS", "/once", "", None])
async def test_link_page_of_another_scheme_is_rejected(relay: RelayDouble, client: RelayClient, url: str | None):
    relay.relink_response = {"url": url}
    with pytest.raises(UnsupportedRelayError):
        await client.create_relink_page(TESLA)


async def test_language_is_set(relay: RelayDouble, client: RelayClient):
    assert (await client.set_language("nl-BE")).language == "nl-BE"
    (request,) = relay.get_requests("/account")
    assert (request.method, request.body) == ("PATCH", {"language": "nl-BE"})


async def test_stream_is_requested_without_compression_and_caching(relay: RelayDouble, client: RelayClient):
    async with aclosing(RelayStream(client).iter_events()) as events:
        await anext(events)
    (request,) = relay.get_requests("/stream")
    sent = {name: request.headers.get(name) for name in ("Accept", "Accept-Encoding", "Cache-Control")}
    assert sent == {"Accept": "text/event-stream", "Accept-Encoding": "identity", "Cache-Control": "no-cache"}
    assert "Last-Event-ID" not in request.headers
    assert request.headers["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("charging", lambda client: client.send_charging_command(TESLA, CommandKind.START, idempotency_key="k")),
        ("refresh", lambda client: client.refresh_vehicle(TESLA)),
        ("relink", lambda client: client.create_relink_page(TESLA)),
    ],
)
async def test_requests_that_reach_the_vendor_have_more_time(
    relay: RelayDouble, client: RelayClient, *, monkeypatch: pytest.MonkeyPatch, name: str, call
):
    """The relay answers after the vendor does."""
    monkeypatch.setattr(client_module, "DEFAULT_TIMEOUT", ClientTimeout(total=0.01))
    relay.before_response[name] = lambda: asyncio.sleep(0.05)
    await call(client)


def test_timeouts():
    """The relay sends at least a comment every 15 s: a stream that is silent for more than two of them is dead."""
    assert ClientTimeout(total=20, connect=10) == client_module.DEFAULT_TIMEOUT
    assert ClientTimeout(total=60, connect=10) == client_module.COMMAND_TIMEOUT
    assert ClientTimeout(total=None, connect=10, sock_connect=10, sock_read=40) == client_module.STREAM_TIMEOUT


@pytest.mark.parametrize(
    ("problem", "is_renewed"),
    [(Problem(401, "unauthorized"), True), (Problem(401, is_relay=False), False), (Problem(403, "forbidden"), False)],
)
@pytest.mark.parametrize("can_renew", [True, False])
async def test_only_a_token_that_the_relay_refuses_is_renewed(
    relay: RelayDouble, client: RelayClient, *, problem: Problem, is_renewed: bool, can_renew: bool
):
    refused: list[str] = []

    async def renew(token: str) -> bool:
        refused.append(token)
        return can_renew

    client._renew_token = renew
    with relay.failing("account", with_=problem), pytest.raises(RelayError) as raised:
        await client.get_account()
    assert isinstance(raised.value, UnauthorizedError) is is_renewed
    assert refused == ([KEY] if is_renewed else [])
    assert len(relay.requests) == (2 if is_renewed and can_renew else 1)


async def test_error_of_the_credential_is_raised(relay: RelayDouble, client: RelayClient):
    async def fail() -> str:
        raise TryAgainError("no token")

    client._get_token = fail
    with pytest.raises(TryAgainError, match="no token"):
        await client.get_account()
    assert relay.requests == []
