"""Misbehaving servers on real sockets: every connection failure ends as one of our errors, and in time."""

import asyncio
import gzip
from datetime import timedelta

import pytest

from relay.gateways.enode import (
    ActionKind,
    EnodeConfig,
    EnodeProtocolError,
    EnodeUnavailable,
    RetryPolicy,
    open_enode,
)

TOKEN = b'{"access_token": "t", "expires_in": 3599}'
BOMB = gzip.compress(b" " * (1 << 22))


def head(status="200 OK", **headers):
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.fixture
async def serve_bytes(unused_tcp_port_factory):
    """A function that starts a server and returns a config for it.

    The server answers token requests properly, and every other request with the given bytes.
    """
    servers = []

    async def serve(response, *, hold_open=False):
        port = unused_tcp_port_factory()
        stopped = asyncio.Event()

        async def handle(reader, writer):
            is_token_request = b"/token" in await reader.readuntil(b"\r\n\r\n")
            writer.write(head(content_length=len(TOKEN), connection="close") + TOKEN if is_token_request else response)
            await writer.drain()
            if hold_open and not is_token_request:
                await stopped.wait()
            writer.close()

        servers.append((await asyncio.start_server(handle, "127.0.0.1", port), stopped))
        url = f"http://127.0.0.1:{port}"
        return EnodeConfig(
            base_url=url,
            auth_url=f"{url}/token",
            client_id="id",
            client_secret="secret",
            read_timeout=timedelta(seconds=5),
            max_body_bytes=1 << 20,
            retry=RetryPolicy(max_attempts=1, call_timeout=timedelta(seconds=1)),
        )

    yield serve
    for server, stopped in servers:
        stopped.set()
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(
    ("response", "cause"),
    [
        (b"", "the connection broke"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "the connection broke"),
        (head(content_length=100) + b'{"id"', "the connection broke"),
        (head(transfer_encoding="chunked") + b"5\r\n{", "the connection broke"),
        (head(content_length="many"), "the connection broke"),
        (head(x="y" * 200_000), "the connection broke"),
        (head("503 Service Unavailable", content_length=0), "HTTP 503"),
    ],
    ids=["hung up", "not http", "cut off", "cut chunk", "bad length", "long header", "503"],
)
async def test_broken_connection_leaves_the_command_outcome_unknown(serve_bytes, response, cause):
    async with open_enode(await serve_bytes(response)) as client:
        with pytest.raises(EnodeUnavailable) as caught:
            await client.vehicles.control_charging("vehicle", ActionKind.START)
    assert (caught.value.cause, caught.value.is_outcome_unknown) == (cause, True)


@pytest.mark.parametrize("response", [b"", head(content_length=100) + b"{"], ids=["no response", "stalls in the body"])
async def test_stalling_server_is_abandoned_at_the_deadline(serve_bytes, response):
    async with open_enode(await serve_bytes(response, hold_open=True)) as client:
        with pytest.raises(EnodeUnavailable) as caught:
            await client.vehicles.control_charging("vehicle", ActionKind.START)
    assert (caught.value.cause, caught.value.is_outcome_unknown) == ("no answer in time", True)


async def test_decompression_bomb_is_cut_off(serve_bytes):
    response = head(content_length=len(BOMB), content_encoding="gzip") + BOMB
    async with open_enode(await serve_bytes(response)) as client:
        with pytest.raises(EnodeProtocolError, match="longer than"):
            await client.vehicles.get("vehicle")


async def test_redirect_is_not_followed(serve_bytes):
    response = head("307 Temporary Redirect", location="http://127.0.0.1:9/elsewhere", content_length=0)
    async with open_enode(await serve_bytes(response)) as client:
        with pytest.raises(EnodeProtocolError, match="redirection"):
            await client.vehicles.control_charging("vehicle", ActionKind.START)


async def test_proxy_in_the_environment_is_ignored(serve_bytes, monkeypatch):
    config = await serve_bytes(head(content_length=35) + b'{"id": "vehicle", "userId": "user"}')
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with open_enode(config) as client:
        assert (await client.vehicles.get("vehicle")).id == "vehicle"
