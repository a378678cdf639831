"""The outbound client against real servers on loopback. Names resolve to loopback or documentation addresses only."""

import asyncio
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from relay.kit.outbound import MAX_RESPONSE_BYTES, OutboundClient, OutboundError, OutboundTimeouts
from relay.kit.outbound_rules import OutboundRules

LISTED = OutboundRules(allow_private=True, allowed_networks=(ip_network("127.0.0.0/8"),))
QUICK = OutboundTimeouts(resolve=0.3, connect=30, total=0.5)
PATIENT = OutboundTimeouts(resolve=30, connect=30, total=60)  # a loaded machine is slow, too
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"


@asynccontextmanager
async def run_server(respond, *, host="127.0.0.1", tls=None):
    """Run a server that reads one request and calls `respond(writer)`; yields its port and the requests read."""
    requests = []

    async def handle(reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
            requests.append(head + await reader.readexactly(length))
            await respond(writer)
        except ConnectionError, asyncio.IncompleteReadError, ssl.SSLError:
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(handle, host, 0, ssl=tls)
    async with listening:
        yield listening.sockets[0].getsockname()[1], requests


def send_text(text):
    async def respond(writer):
        writer.write(text)
        await writer.drain()

    return respond


class FakeDns:
    """A resolver whose answers are given in order; the last one is repeated."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.lookups = []

    async def __call__(self, host, _port):
        self.lookups.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return [ip_address(address) for address in answer]


@asynccontextmanager
async def open_client(rules=LISTED, **options):
    client = OutboundClient(rules, **options)
    try:
        yield client
    finally:
        await client.aclose()


async def get_failure(client, url, content=b"{}"):
    with pytest.raises(OutboundError) as raised:
        await client.post(url, content, {})
    assert str(raised.value) == raised.value.failure  # the text reveals nothing else
    return raised.value.failure


async def test_post_sends_body_and_headers_with_the_original_host():
    dns = FakeDns(["127.0.0.1"])
    async with run_server(send_text(OK)) as (port, requests), open_client(resolve=dns) as client:
        url = f"http://ha.example:{port}/api/webhook/x?y=1"
        assert await client.post(url, b'{"a": 1}', {"webhook-id": "msg_1"}) == b"OK"
    head, _, body = requests[0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /api/webhook/x?y=1 HTTP/1.1"
    assert f"Host: ha.example:{port}".encode() in lines
    assert b"webhook-id: msg_1" in lines
    assert b"Accept-Encoding: identity" in lines
    assert body == b'{"a": 1}'
    assert dns.lookups == ["ha.example"]


async def test_the_checked_address_is_the_one_connected_to_whatever_dns_answers_next():
    """DNS rebinding: the first answer is allowed, every later one is another server."""
    async with run_server(send_text(OK), host="127.0.0.2") as (port, requests):
        dns = FakeDns(["127.0.0.2"], ["127.0.0.1"])
        async with open_client(resolve=dns) as client:
            await client.post(f"http://ha.example:{port}/", b"", {})
        assert len(requests) == 1
        assert len(dns.lookups) == 1
        # Allowed when it was registered, another address by the time of the POST: checked again when connecting.
        dns = FakeDns(["127.0.0.2"], ["192.0.2.1"])
        async with open_client(resolve=dns) as client:
            await client.check_url(f"http://ha.example:{port}/")
            assert await get_failure(client, f"http://ha.example:{port}/") == "address"
        assert len(requests) == 1


@pytest.mark.parametrize(
    "answers",
    [
        [],
        ["192.0.2.1"],
        ["127.0.0.1", "192.0.2.1"],
        ["127.0.0.1", "169.254.169.254"],
        ["127.0.0.1", "::ffff:169.254.169.254"],
        ["127.0.0.1", "::1"],
        OSError("no such name"),
    ],
)
async def test_one_forbidden_address_makes_the_name_forbidden(answers):
    async with run_server(send_text(OK)) as (port, requests), open_client(resolve=FakeDns(answers)) as client:
        assert await get_failure(client, f"http://ha.example:{port}/") == "address"
        with pytest.raises(OutboundError):
            await client.check_url(f"http://ha.example:{port}/")
    assert requests == []


@pytest.mark.parametrize(
    ("rules", "url"),
    [
        (OutboundRules(), "https://127.0.0.1:{port}/"),
        (OutboundRules(allow_private=True), "http://127.0.0.1:{port}/"),
        (OutboundRules(allow_private=True), "http://ha.example:{port}/"),
        (OutboundRules(allowed_networks=(ip_network("127.0.0.0/8"),)), "http://127.0.0.1:{port}/"),
        (LISTED, "http://user:pw@127.0.0.1:{port}/"),
        (LISTED, "http://2130706433:{port}/"),
        (LISTED, "http://localhost.:{port}/"),
        (LISTED, "http://supervisor:{port}/"),
    ],
)
async def test_forbidden_urls_are_never_connected_to(rules, url):
    dns = FakeDns(["127.0.0.1", "::1"])
    async with run_server(send_text(OK)) as (port, requests), open_client(rules, resolve=dns) as client:
        assert await get_failure(client, url.format(port=port)) == "address"
    assert requests == []


async def test_the_relays_own_ports_are_forbidden_even_if_loopback_is_allowed():
    async with run_server(send_text(OK)) as (port, requests):
        own = OutboundRules(allow_private=True, allowed_networks=LISTED.allowed_networks, own_ports=frozenset({port}))
        async with open_client(own) as client:
            assert await get_failure(client, f"http://127.0.0.1:{port}/") == "address"
    assert requests == []


async def drip(writer):
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.01)


async def drip_headers(writer):
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-A: b\r\n")
        await writer.drain()
        await asyncio.sleep(0.01)


async def stall(_writer):
    await asyncio.sleep(1.5)


async def flood(writer):
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    chunk = b"1000\r\n" + b"x" * 0x1000 + b"\r\n"
    while True:
        writer.write(chunk)
        await writer.drain()


@pytest.mark.parametrize(
    ("respond", "failure"),
    [
        (stall, "timeout"),
        (drip, "timeout"),
        (drip_headers, "timeout"),
        (flood, "answer"),
        (send_text(b"HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n" + b"x" * 70_000), "answer"),
        (send_text(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"), "redirect"),
        (send_text(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), "status"),
        (send_text(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"), "status"),
        (send_text(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ntoo short"), "connection"),
        (send_text(b"SSH-2.0-OpenSSH_9.2\r\n"), "connection"),
        (send_text(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 200_000 + b"\r\n\r\n"), "connection"),
        (send_text(b""), "connection"),
    ],
)
async def test_bad_responses_are_classified(respond, failure):
    timeouts = QUICK if failure == "timeout" else PATIENT
    async with run_server(respond) as (port, _), open_client(timeouts=timeouts) as client:
        assert await get_failure(client, f"http://127.0.0.1:{port}/") == failure


async def test_a_response_of_exactly_the_size_limit_is_returned():
    response = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % MAX_RESPONSE_BYTES + b"x" * MAX_RESPONSE_BYTES
    async with run_server(send_text(response)) as (port, _), open_client() as client:
        assert len(await client.post(f"http://127.0.0.1:{port}/", b"", {})) == MAX_RESPONSE_BYTES


async def test_refused_connections_and_unresolvable_names_are_classified():
    async def never(_host, _port):
        await asyncio.sleep(60)

    async with open_client(timeouts=PATIENT) as client:
        assert await get_failure(client, "http://127.0.0.1:1/") == "connection"
    async with open_client(timeouts=QUICK, resolve=never) as client:
        assert await get_failure(client, "http://ha.example:8123/") == "address"


async def test_the_next_address_is_tried_if_one_refuses_the_connection():
    async with (
        run_server(send_text(OK)) as (port, _),
        open_client(resolve=FakeDns(["127.0.0.3", "127.0.0.1"])) as client,
    ):
        assert await client.post(f"http://ha.example:{port}/", b"", {}) == b"OK"


async def test_proxy_settings_of_the_environment_are_ignored(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with run_server(send_text(OK)) as (port, _), open_client() as client:
        assert await client.post(f"http://127.0.0.1:{port}/", b"", {}) == b"OK"


def create_tls_contexts(folder, name):
    """Create a self-signed certificate for `name`: contexts of a server that has it and of a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "both.pem"
    no_encryption = serialization.NoEncryption()
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, no_encryption)
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(file)
    return server_context, ssl.create_default_context(cafile=file)


async def test_tls_verifies_the_name_although_the_address_is_pinned(tmp_path):
    server_context, client_context = create_tls_contexts(tmp_path, "ha.example")
    server_names = []
    server_context.sni_callback = lambda _socket, name, _context: server_names.append(name)
    async with run_server(send_text(OK), tls=server_context) as (port, requests):
        async with open_client(resolve=FakeDns(["127.0.0.1"]), tls_context=client_context) as client:
            assert await client.post(f"https://ha.example:{port}/", b"", {}) == b"OK"
            assert server_names == ["ha.example"]
            assert await get_failure(client, f"https://other.example:{port}/") == "tls"
        async with open_client(resolve=FakeDns(["127.0.0.1"])) as client:
            assert await get_failure(client, f"https://ha.example:{port}/") == "tls"
        assert len(requests) == 1


async def test_slow_servers_do_not_delay_requests_to_others():
    release = asyncio.Event()

    async def stall_until_released(_writer):
        await release.wait()

    async with (
        run_server(stall_until_released) as (slow_port, waiting),
        run_server(send_text(OK)) as (port, _),
        open_client(timeouts=PATIENT) as client,
    ):
        stalled = [asyncio.create_task(client.post(f"http://127.0.0.1:{slow_port}/", b"", {})) for _ in range(150)]
        try:
            while len(waiting) < len(stalled):
                await asyncio.sleep(0.01)
            for _ in range(5):
                assert await client.post(f"http://127.0.0.1:{port}/", b"", {}) == b"OK"
            assert not any(task.done() for task in stalled)
        finally:
            release.set()
        assert {type(result) for result in await asyncio.gather(*stalled, return_exceptions=True)} == {OutboundError}
