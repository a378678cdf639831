"""Which makers' cars can be linked: Enode's list, remembered for a while."""

import time
from collections.abc import Callable

from relay.gateways.enode import EnodeClient, EnodeError, VendorHealth

CACHE_SECONDS = 600.0
RETRY_AFTER_FAILURE_SECONDS = 30.0
"""After a failure, so that a person who tries again does not wait for Enode each time."""


class VendorCache:
    """Enode's list of vehicle vendors, in this process."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._vendors: tuple[VendorHealth, ...] = ()
        self._refresh_at = float("-inf")

    async def get(self, enode: EnodeClient) -> tuple[VendorHealth, ...]:
        """The list, an old one while Enode does not answer. Raises EnodeError when there never was one."""
        if self._monotonic() < self._refresh_at:
            return self._vendors
        try:
            found = await enode.health.list_vehicle_vendors()
        except EnodeError:
            if not self._vendors:
                raise
            self._refresh_at = self._monotonic() + RETRY_AFTER_FAILURE_SECONDS
        else:
            self._vendors = tuple(sorted(found, key=lambda it: (it.display_name or it.vendor).casefold()))
            self._refresh_at = self._monotonic() + CACHE_SECONDS
        return self._vendors

    def get_display_name(self, vendor: str) -> str:
        """What people call this vendor, as far as Enode has told; never asks."""
        return next((it.display_name or vendor for it in self._vendors if it.vendor == vendor), vendor)


def find_vendor(vendors: tuple[VendorHealth, ...], vendor_name: str) -> VendorHealth | None:
    """The vendor of this name, in Enode's spelling or as people write it, in capitals or not."""
    name = vendor_name.strip().casefold()
    for it in vendors:
        if name in {it.vendor.casefold(), (it.display_name or it.vendor).casefold()}:
            return it
    return None
