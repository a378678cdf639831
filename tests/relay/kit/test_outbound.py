"""The guarded client against real servers on loopback. Names lead to loopback or to documentation addresses only."""

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
QUICK = OutboundTimeouts(resolve=0.3, connect=0.3, total=0.5)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"


@asynccontextmanager
async def server(answer, *, host="127.0.0.1", tls=None):
    """Reads one request's head and body and lets `answer(writer)` speak; yields the port and what was read."""
    heard = []

    async def take(reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
            heard.append(head + await reader.readexactly(length))
            await answer(writer)
        except ConnectionError, asyncio.IncompleteReadError, ssl.SSLError:
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(take, host, 0, ssl=tls)
    async with listening:
        yield listening.sockets[0].getsockname()[1], heard


def say(text):
    async def answer(writer):
        writer.write(text)
        await writer.drain()

    return answer


class Names:
    """A DNS of our own, whose answers may change with every question."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    async def __call__(self, host, _port):
        self.asked.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return [ip_address(it) for it in answer]


@asynccontextmanager
async def outbound(rules=LISTED, **how):
    made = OutboundClient(rules, **how)
    try:
        yield made
    finally:
        await made.aclose()


async def failure_of(client, url, content=b"{}"):
    with pytest.raises(OutboundError) as raised:
        await client.post(url, content, {})
    assert str(raised.value) == raised.value.failure  # nothing else is told
    return raised.value.failure


async def test_it_posts_what_it_is_given_under_the_name_it_was_given():
    names = Names(["127.0.0.1"])
    async with server(say(OK)) as (port, heard), outbound(resolve=names) as client:
        url = f"http://ha.example:{port}/api/webhook/x?y=1"
        assert await client.post(url, b'{"a": 1}', {"webhook-id": "msg_1"}) == b"OK"
    head, _, body = heard[0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /api/webhook/x?y=1 HTTP/1.1"
    assert f"Host: ha.example:{port}".encode() in lines
    assert b"webhook-id: msg_1" in lines
    assert b"Accept-Encoding: identity" in lines
    assert body == b'{"a": 1}'
    assert names.asked == ["ha.example"]


async def test_what_was_judged_is_what_is_connected_to_whatever_dns_says_next():
    """DNS rebinding: the first answer is allowed, every later one is another server."""
    async with server(say(OK), host="127.0.0.2") as (port, wanted):
        names = Names(["127.0.0.2"], ["127.0.0.1"])
        async with outbound(resolve=names) as client:
            await client.post(f"http://ha.example:{port}/", b"", {})
        assert len(wanted) == 1
        assert len(names.asked) == 1
        # Checked when it was registered, another place by the time of the POST: judged again, at connecting.
        names = Names(["127.0.0.2"], ["192.0.2.1"])
        async with outbound(resolve=names) as client:
            await client.check_url(f"http://ha.example:{port}/")
            assert await failure_of(client, f"http://ha.example:{port}/") == "address"
        assert len(wanted) == 1


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
async def test_one_bad_answer_of_dns_spoils_them_all(answers):
    async with server(say(OK)) as (port, heard), outbound(resolve=Names(answers)) as client:
        assert await failure_of(client, f"http://ha.example:{port}/") == "address"
        with pytest.raises(OutboundError):
            await client.check_url(f"http://ha.example:{port}/")
    assert heard == []


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
async def test_what_the_rules_forbid_is_never_connected_to(rules, url):
    names = Names(["127.0.0.1", "::1"])
    async with server(say(OK)) as (port, heard), outbound(rules, resolve=names) as client:
        assert await failure_of(client, url.format(port=port)) == "address"
    assert heard == []


async def test_our_own_ports_are_no_endpoint_even_where_loopback_is_listed():
    async with server(say(OK)) as (port, heard):
        own = OutboundRules(allow_private=True, allowed_networks=LISTED.allowed_networks, own_ports=frozenset({port}))
        async with outbound(own) as client:
            assert await failure_of(client, f"http://127.0.0.1:{port}/") == "address"
    assert heard == []


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
    ("answer", "failure"),
    [
        (stall, "timeout"),
        (drip, "timeout"),
        (drip_headers, "timeout"),
        (flood, "answer"),
        (say(b"HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n" + b"x" * 70_000), "answer"),
        (say(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"), "redirect"),
        (say(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), "status"),
        (say(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"), "status"),
        (say(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ntoo short"), "connection"),
        (say(b"SSH-2.0-OpenSSH_9.2\r\n"), "connection"),
        (say(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 200_000 + b"\r\n\r\n"), "connection"),
        (say(b""), "connection"),
    ],
)
async def test_a_bad_answer_is_known_by_its_class(answer, failure):
    async with server(answer) as (port, _), outbound(times=QUICK) as client:
        assert await failure_of(client, f"http://127.0.0.1:{port}/") == failure


async def test_an_answer_of_just_the_limit_is_read():
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % MAX_RESPONSE_BYTES + b"x" * MAX_RESPONSE_BYTES
    async with server(say(whole)) as (port, _), outbound() as client:
        assert len(await client.post(f"http://127.0.0.1:{port}/", b"", {})) == MAX_RESPONSE_BYTES


async def test_nobody_there_is_a_matter_of_connection_and_a_name_that_never_resolves_of_address():
    async def never(_host, _port):
        await asyncio.sleep(60)

    async with outbound(times=QUICK) as client:
        assert await failure_of(client, "http://127.0.0.1:1/") == "connection"
    async with outbound(times=QUICK, resolve=never) as client:
        assert await failure_of(client, "http://ha.example:8123/") == "address"


async def test_of_several_addresses_the_next_is_tried_when_one_does_not_answer():
    async with server(say(OK)) as (port, _), outbound(resolve=Names(["127.0.0.3", "127.0.0.1"])) as client:
        assert await client.post(f"http://ha.example:{port}/", b"", {}) == b"OK"


async def test_no_proxy_of_the_environment_comes_between(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with server(say(OK)) as (port, _), outbound() as client:
        assert await client.post(f"http://127.0.0.1:{port}/", b"", {}) == b"OK"


def certificate(folder, name):
    """A self-signed certificate for this name: contexts of a server that has it and of a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
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
    plain = serialization.NoEncryption()
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        + made.public_bytes(serialization.Encoding.PEM)
    )
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(file)
    return served, ssl.create_default_context(cafile=file)


async def test_tls_is_for_the_name_although_the_address_is_pinned(tmp_path):
    served, trusting = certificate(tmp_path, "ha.example")
    asked_for = []
    served.sni_callback = lambda _socket, name, _context: asked_for.append(name)
    async with server(say(OK), tls=served) as (port, heard):
        async with outbound(resolve=Names(["127.0.0.1"]), tls=trusting) as client:
            assert await client.post(f"https://ha.example:{port}/", b"", {}) == b"OK"
            assert asked_for == ["ha.example"]
            assert await failure_of(client, f"https://other.example:{port}/") == "tls"
        async with outbound(resolve=Names(["127.0.0.1"])) as client:
            assert await failure_of(client, f"https://ha.example:{port}/") == "tls"
        assert len(heard) == 1


async def test_many_at_once_are_independent_of_each_other():
    async with (
        server(stall) as (slow_port, _),
        server(say(OK)) as (port, _),
        outbound(times=OutboundTimeouts(total=1)) as client,
    ):
        stalled = [asyncio.create_task(client.post(f"http://127.0.0.1:{slow_port}/", b"", {})) for _ in range(150)]
        async with asyncio.timeout(0.9):
            for _ in range(5):
                assert await client.post(f"http://127.0.0.1:{port}/", b"", {}) == b"OK"
        assert {type(it) for it in await asyncio.gather(*stalled, return_exceptions=True)} == {OutboundError}
