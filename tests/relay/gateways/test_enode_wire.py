"""Real sockets, bad servers: what a connection can do to us still ends as one of our errors, and in time."""

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
async def served(unused_tcp_port_factory):
    """Starts a server that sends given bytes to every request but those for a token; returns a configuration for it."""
    servers = []

    async def serve(answer, *, hold_open=False):
        port = unused_tcp_port_factory()
        over = asyncio.Event()

        async def handle(reader, writer):
            with_token = b"/token" in await reader.readuntil(b"\r\n\r\n")
            writer.write(head(content_length=len(TOKEN), connection="close") + TOKEN if with_token else answer)
            await writer.drain()
            if hold_open and not with_token:
                await over.wait()
            writer.close()

        servers.append((await asyncio.start_server(handle, "127.0.0.1", port), over))
        here = f"http://127.0.0.1:{port}"
        return EnodeConfig(
            base_url=here,
            auth_url=f"{here}/token",
            client_id="id",
            client_secret="secret",
            read_timeout=timedelta(seconds=5),
            max_body_bytes=1 << 20,
            retry=RetryPolicy(max_attempts=1, call_timeout=timedelta(seconds=1)),
        )

    yield serve
    for server, over in servers:
        over.set()
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(
    ("answer", "cause"),
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
async def test_a_connection_that_breaks_leaves_a_command_unknown(served, answer, cause):
    async with open_enode(await served(answer)) as client:
        with pytest.raises(EnodeUnavailable) as caught:
            await client.vehicles.control_charging("car", ActionKind.START)
    assert (caught.value.cause, caught.value.is_outcome_unknown) == (cause, True)


@pytest.mark.parametrize("answer", [b"", head(content_length=100) + b"{"], ids=["silent", "stalls in the body"])
async def test_a_server_that_stalls_is_left_at_the_deadline(served, answer):
    async with open_enode(await served(answer, hold_open=True)) as client:
        with pytest.raises(EnodeUnavailable) as caught:
            await client.vehicles.control_charging("car", ActionKind.START)
    assert (caught.value.cause, caught.value.is_outcome_unknown) == ("no answer in time", True)


async def test_a_small_answer_that_unpacks_to_a_huge_one_is_cut_off(served):
    answer = head(content_length=len(BOMB), content_encoding="gzip") + BOMB
    async with open_enode(await served(answer)) as client:
        with pytest.raises(EnodeProtocolError, match="longer than"):
            await client.vehicles.get("car")


async def test_a_redirection_is_not_followed(served):
    answer = head("307 Temporary Redirect", location="http://127.0.0.1:9/elsewhere", content_length=0)
    async with open_enode(await served(answer)) as client:
        with pytest.raises(EnodeProtocolError, match="redirection"):
            await client.vehicles.control_charging("car", ActionKind.START)


async def test_a_proxy_in_the_environment_does_not_see_the_secret(served, monkeypatch):
    config = await served(head(content_length=31) + b'{"id": "car", "userId": "user"}')
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with open_enode(config) as client:
        assert (await client.vehicles.get("car")).id == "car"
