"""A relay as a process, attacked over raw sockets: its memory, and whether it still serves others."""

import asyncio
import re
import resource
from pathlib import Path

import pytest

MIB = 1024 * 1024
MAX_GROWTH_MIB = 100
"""32 MiB of bodies, in the buffers of the sockets, of the server and of the handler. Without limits it was 750."""
SOFT_FILE_LIMIT = 1024
HALF_REQUEST = b"GET /api/health/live HTTP/1.1\r\nHost: relay\r\n"
UNSIGNED = (
    b"POST /api/webhook/enode HTTP/1.1\r\nHost: relay\r\nX-Enode-Signature: sha1=00\r\nContent-Length: %d\r\n\r\n"
)


@pytest.fixture
def relay(start_relay):
    """A relay that was started with a soft limit of 1,024 open files. The attacker, this process, may open more."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (SOFT_FILE_LIMIT, limits[1]))
    try:
        relay = start_relay("--no-worker")
        resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
        yield relay
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def read_peak_memory(pid):
    """The most memory that the process has had, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024


async def send_over_connection(port, *parts):
    """Send the parts and return the start of the response; b"" if the server reset the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        return (await reader.read(100)).partition(b"\r\n")[0]
    except ConnectionError:
        return b""
    finally:
        writer.transport.abort()


async def attack(relay):
    pieces = [b"x" * MIB] * 60
    assert b" 431 " in await send_over_connection(relay.port, HALF_REQUEST + b"X: ", *pieces)
    assert b" 414 " in await send_over_connection(relay.port, b"GET /", *pieces[:30], b" HTTP/1.1\r\n\r\n")
    half_open = [await asyncio.open_connection("127.0.0.1", relay.port) for _ in range(1210)]
    for _, writer in half_open:
        writer.write(HALF_REQUEST)
    await asyncio.sleep(0.3)
    assert b" 200 " in await send_over_connection(relay.port, HALF_REQUEST + b"\r\n")
    body = b"x" * (4 * MIB)
    bodies = [UNSIGNED % len(body) + body[:-1]] * 150
    held = [asyncio.create_task(send_over_connection(relay.port, part)) for part in bodies]
    await asyncio.sleep(3)
    assert b" 200 " in await send_over_connection(relay.port, HALF_REQUEST + b"\r\n")
    assert b" 401 " in await send_over_connection(relay.port, UNSIGNED % len(body) + body)
    for task in held:
        task.cancel()
    for _, writer in half_open:
        writer.transport.abort()


def test_requests_of_strangers_neither_fill_the_memory_nor_stop_the_relay(relay):
    memory = read_peak_memory(relay.process.pid)
    asyncio.run(attack(relay))
    assert read_peak_memory(relay.process.pid) - memory < MAX_GROWTH_MIB * MIB
    log = relay.log.read_text()
    assert f"file limit raised from={SOFT_FILE_LIMIT}" in log
    assert "http requests rejected limit=header_bytes" in log
    assert len(log.splitlines()) < 30
