"""Which addresses a name leads to: all must be allowed, and never one of the relay's own ports."""

from ipaddress import ip_address

import httpcore
import pytest

from relay.kit.outbound_addresses import AddressRefusedError, AddressResolver, PinnedBackend, _is_local_address
from relay.kit.outbound_rules import OutboundRules, parse_url

CLOUD, HOME = OutboundRules(), OutboundRules(allow_private=True)


def create_resolver(rules, *addresses, own_ports=()):
    lookups = []

    async def resolve(host, port):
        lookups.append((host, port))
        if addresses and isinstance(addresses[0], BaseException):
            raise addresses[0]
        return [ip_address(address) for address in addresses]

    rules = OutboundRules(allow_private=rules.allow_private, own_ports=frozenset(own_ports))
    return AddressResolver(rules, timeout=5, resolve=resolve), lookups


async def resolve(resolver, url):
    try:
        return [str(address) for address in await resolver.resolve_addresses(parse_url(url))]
    except AddressRefusedError:
        return None
    finally:
        resolver.close()


@pytest.mark.parametrize(
    ("rules", "url", "addresses", "expected"),
    [
        (CLOUD, "https://ha.example/", ["1.1.1.1", "1.0.0.1"], ["1.1.1.1", "1.0.0.1"]),
        (CLOUD, "https://ha.example/", ["1.1.1.1", "10.0.0.1"], None),
        (CLOUD, "https://ha.example/", ["10.0.0.1", "1.1.1.1"], None),
        (CLOUD, "https://ha.example/", [], None),
        (CLOUD, "https://ha.example/", [OSError()], None),
        (CLOUD, "https://ha.example/", [TimeoutError()], None),
        (CLOUD, "https://ha.example/", [UnicodeError()], None),
        (HOME, "http://ha.lan:8123/", ["192.168.1.5", "1.1.1.1"], ["192.168.1.5", "1.1.1.1"]),
        (HOME, "http://ha.lan:8123/", ["192.168.1.5", "127.0.0.1"], None),
    ],
)
async def test_a_name_is_resolved_once_and_every_address_must_be_allowed(rules, url, addresses, expected):
    resolver, lookups = create_resolver(rules, *addresses)
    assert await resolve(resolver, url) == expected
    assert len(lookups) == 1


@pytest.mark.parametrize(
    ("rules", "url", "expected"),
    [
        (CLOUD, "https://1.1.1.1/", ["1.1.1.1"]),
        (CLOUD, "https://10.0.0.1/", None),
        (CLOUD, "https://[::ffff:10.0.0.1]/", None),
        (HOME, "https://10.0.0.1/", ["10.0.0.1"]),
        (CLOUD, "http://ha.example/", None),
        (CLOUD, "https://ha.example:1023/", None),
        (HOME, "http://supervisor/", None),
    ],
)
async def test_address_literals_and_forbidden_targets_are_not_resolved(rules, url, expected):
    resolver, lookups = create_resolver(rules, "1.1.1.1")
    assert await resolve(resolver, url) == expected
    assert lookups == []


@pytest.mark.parametrize(("port", "is_refused"), [(8300, True), (8301, False)])
async def test_own_ports_are_refused_on_this_machines_public_address_too(monkeypatch, port, is_refused):
    monkeypatch.setattr("relay.kit.outbound_addresses._is_local_address", lambda address: str(address) == "1.0.0.1")
    resolver, _ = create_resolver(CLOUD, "1.1.1.1", "1.0.0.1", own_ports=[8300])
    assert (await resolve(resolver, f"https://ha.example:{port}/") is None) is is_refused
    resolver, _ = create_resolver(CLOUD, "1.1.1.1", own_ports=[8300])
    assert await resolve(resolver, f"https://ha.example:{port}/") == ["1.1.1.1"]


@pytest.mark.parametrize(("address", "expected"), [("127.0.0.1", True), ("127.0.0.2", True), ("192.0.2.1", False)])
def test_addresses_of_this_machine_are_recognised(address, expected):
    assert _is_local_address(ip_address(address)) is expected
    assert not _is_local_address(ip_address("2001:db8::1"))


class FailingBackend:
    """Refuses connections to all addresses but those given."""

    def __init__(self, *reachable):
        self.reachable, self.attempts = reachable, []

    async def connect_tcp(self, host, port, *_options):
        self.attempts.append((host, port))
        if host not in self.reachable:
            raise httpcore.ConnectError
        return host


@pytest.mark.parametrize(
    ("reachable", "result", "attempts"),
    [("1.1.1.1", "1.1.1.1", 1), ("1.1.1.3", "1.1.1.3", 3), ("1.1.1.4", None, 3)],
)
async def test_at_most_three_addresses_are_tried_in_order(reachable, result, attempts):
    resolver, lookups = create_resolver(CLOUD, "1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.1.4")
    backend = PinnedBackend(resolver)
    backend._backend = failing = FailingBackend(reachable)
    if result is None:
        with pytest.raises(httpcore.ConnectError):
            await backend.connect_tcp("ha.example", 8123)
    else:
        assert await backend.connect_tcp("ha.example", 8123) == result
    assert failing.attempts == [(f"1.1.1.{number}", 8123) for number in range(1, attempts + 1)]
    assert lookups == [("ha.example", 8123)]
    resolver.close()


async def test_refused_address_is_never_connected_to():
    resolver, _ = create_resolver(CLOUD, "10.0.0.1")
    backend = PinnedBackend(resolver)
    backend._backend = failing = FailingBackend("10.0.0.1")
    for host in ("ha.example", "10.0.0.1", "::1"):
        with pytest.raises(AddressRefusedError):
            await backend.connect_tcp(host, 443)
    assert failing.attempts == []
    resolver.close()
