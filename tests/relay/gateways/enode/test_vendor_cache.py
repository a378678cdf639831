"""The list of vendors: kept for a while, kept longer while Enode is unavailable, and searched by name."""

from types import SimpleNamespace

import pytest

from relay.gateways.enode import EnodeUnavailable, VendorHealth
from relay.gateways.enode.vendor_cache import CACHE_SECONDS, RETRY_AFTER_FAILURE_SECONDS, VendorCache, find_vendor


def create_vendor(vendor, name=None):
    return VendorHealth.from_json({"vendor": vendor, "displayName": name}, "x")


VENDORS = (create_vendor("VW", "Volkswagen"), create_vendor("bmw"), create_vendor("AUDI", "audi"))


class Enode:
    """Answers with the vendors, or with an error while it is down."""

    def __init__(self):
        self.calls, self.is_down = 0, False
        self.health = SimpleNamespace(list_vehicle_vendors=self._list)

    async def _list(self):
        self.calls += 1
        if self.is_down:
            raise EnodeUnavailable("GET /x", cause="x", is_outcome_unknown=False)
        return VENDORS


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


async def test_vendors_are_sorted_by_name_and_cached():
    enode, clock = Enode(), Clock()
    cache = VendorCache(monotonic=clock)
    assert cache.get_display_name("VW") == "VW"
    for clock.now, calls in ((0.0, 1), (CACHE_SECONDS - 1, 1), (CACHE_SECONDS, 2)):
        assert [vendor.vendor for vendor in await cache.get(enode)] == ["AUDI", "bmw", "VW"]
        assert enode.calls == calls
    assert [cache.get_display_name(vendor) for vendor in ("VW", "bmw", "KIA")] == ["Volkswagen", "bmw", "KIA"]


async def test_stale_list_is_used_while_enode_is_unavailable():
    enode, clock = Enode(), Clock()
    cache = VendorCache(monotonic=clock)
    enode.is_down = True
    for calls in (1, 2):
        with pytest.raises(EnodeUnavailable):
            await cache.get(enode)
        assert enode.calls == calls
    enode.is_down = False
    await cache.get(enode)
    enode.is_down, clock.now = True, CACHE_SECONDS
    for passed, calls in ((0.0, 4), (RETRY_AFTER_FAILURE_SECONDS - 1, 4), (RETRY_AFTER_FAILURE_SECONDS, 5)):
        clock.now = CACHE_SECONDS + passed
        assert len(await cache.get(enode)) == 3
        assert enode.calls == calls


@pytest.mark.parametrize(
    ("text", "vendor"),
    [
        ("VW", "VW"),
        ("vw", "VW"),
        (" volkswagen ", "VW"),
        ("BMW", "bmw"),
        ("Audi", "AUDI"),
        ("volks", None),
        ("", None),
    ],
)
def test_vendor_is_found_by_id_or_name_in_any_case(text, vendor):
    found = find_vendor(VENDORS, text)
    assert (found and found.vendor) == vendor
