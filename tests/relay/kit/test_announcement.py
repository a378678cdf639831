"""The relay announces itself on the local network."""

import asyncio
import socket
from contextlib import suppress
from types import SimpleNamespace

import ifaddr
import pytest
from zeroconf import NonUniqueNameException
from zeroconf.asyncio import AsyncZeroconf

from relay.kit import announcement
from relay.kit.announcement import SERVICE_TYPE, Announcer, build_service, list_addresses

INSTANCE_ID = "3a0c7a1e-7a3f-4f0e-9c51-5d1a3f6c9b20"


class FakeZeroconf:
    """Records what is registered."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.services: list[object] = []
        self.is_closed = False

    async def async_register_service(self, service: object, *, allow_name_change: bool) -> None:
        assert allow_name_change
        if self.error is not None:
            raise self.error
        self.services.append(service)

    async def async_close(self) -> None:
        self.is_closed = True


def make_adapters(*addresses: str) -> list[SimpleNamespace]:
    ips = [
        SimpleNamespace(ip=(address, 0, 0) if ":" in address else address, is_IPv4=":" not in address)
        for address in addresses
    ]
    return [SimpleNamespace(ips=ips)]


@pytest.mark.parametrize(
    ("host", "addresses"),
    [
        ("0.0.0.0", ["10.0.0.5", "192.168.1.20"]),
        ("", ["10.0.0.5", "192.168.1.20"]),
        ("::", ["10.0.0.5", "192.168.1.20", "fd00::20"]),
        ("192.168.1.20", ["192.168.1.20"]),
        ("127.0.0.1", []),
        ("::1", []),
        ("relay.lan", []),
    ],
)
def test_addresses_are_those_that_other_machines_reach(
    monkeypatch: pytest.MonkeyPatch, host: str, addresses: list[str]
):
    adapters = make_adapters("127.0.0.1", "192.168.1.20", "10.0.0.5", "169.254.1.1", "fe80::1", "::1", "fd00::20")
    monkeypatch.setattr(ifaddr, "get_adapters", lambda: adapters)
    assert list_addresses(host) == addresses


@pytest.mark.parametrize("hostname", ["nas", "nas.example.org", "n" * 70, ""])
def test_announcement_has_address_and_id(monkeypatch: pytest.MonkeyPatch, hostname: str):
    monkeypatch.setattr(socket, "gethostname", lambda: hostname)
    service = build_service(INSTANCE_ID, "1.2.3", 8300, ["192.168.1.20"])
    assert (service.type, service.port, service.parsed_addresses()) == (SERVICE_TYPE, 8300, ["192.168.1.20"])
    assert service.decoded_properties == {"instance_id": INSTANCE_ID, "version": "1.2.3", "scheme": "http"}
    assert service.server == "evconduit-3a0c7a1e.local."
    assert service.name == f"EVConduit on {hostname.split('.', maxsplit=1)[0][:40] or 'relay'}.{SERVICE_TYPE}"


async def run_briefly(announcer: Announcer) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(0.1):
            await announcer.run()


async def test_announcement_follows_the_addresses_and_is_withdrawn(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(announcement, "CHECK_INTERVAL_SECONDS", 0.001)
    found = iter([[], ["10.0.0.1"], ["10.0.0.1"]])
    opened: list[FakeZeroconf] = []

    def open_zeroconf() -> FakeZeroconf:
        opened.append(FakeZeroconf())
        return opened[-1]

    announcer = Announcer(lambda addresses: addresses, lambda: next(found, ["10.0.0.2"]), open_zeroconf=open_zeroconf)
    await run_briefly(announcer)
    assert [zeroconf.services for zeroconf in opened] == [[["10.0.0.1"]], [["10.0.0.2"]]]
    assert all(zeroconf.is_closed for zeroconf in opened)


async def test_machine_without_multicast_is_not_announced(caplog: pytest.LogCaptureFixture):
    def fail() -> AsyncZeroconf:
        raise OSError(19, "No such device")

    await run_briefly(Announcer(lambda addresses: addresses, lambda: ["10.0.0.1"], open_zeroconf=fail))
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "not announced on the local network: no multicast error=No such device"
    ]


@pytest.mark.parametrize("error", [NonUniqueNameException(), OSError(101, "Network is unreachable")])
async def test_announcement_that_fails_is_tried_again(monkeypatch: pytest.MonkeyPatch, error: Exception):
    monkeypatch.setattr(announcement, "CHECK_INTERVAL_SECONDS", 0.001)
    opened: list[FakeZeroconf] = []

    def open_zeroconf() -> FakeZeroconf:
        opened.append(FakeZeroconf(error if not opened else None))
        return opened[-1]

    await run_briefly(Announcer(lambda addresses: addresses, lambda: ["10.0.0.1"], open_zeroconf=open_zeroconf))
    assert [len(zeroconf.services) for zeroconf in opened] == [0, 1]
    assert opened[0].is_closed
