"""Which makers' cars can be linked: Enode's list, remembered for a while."""

import time
from collections.abc import Callable

from relay.gateways.enode import EnodeClient, EnodeError, VendorHealth

REMEMBERED_SECONDS = 600.0
AGAIN_SECONDS = 30.0
"""After a failure, so that a person who tries again does not wait for Enode each time."""


class Vendors:
    """Enode's list of vehicle vendors, in this process."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._known: tuple[VendorHealth, ...] = ()
        self._until = float("-inf")

    async def get(self, enode: EnodeClient) -> tuple[VendorHealth, ...]:
        """The list, an old one while Enode does not answer. Raises EnodeError when there never was one."""
        if self._monotonic() < self._until:
            return self._known
        try:
            found = await enode.health.vehicle_vendors()
        except EnodeError:
            if not self._known:
                raise
            self._until = self._monotonic() + AGAIN_SECONDS
        else:
            self._known = tuple(sorted(found, key=lambda it: (it.display_name or it.vendor).casefold()))
            self._until = self._monotonic() + REMEMBERED_SECONDS
        return self._known

    def title(self, vendor: str) -> str:
        """What people call this vendor, as far as Enode has told; never asks."""
        return next((it.display_name or vendor for it in self._known if it.vendor == vendor), vendor)


def find_vendor(vendors: tuple[VendorHealth, ...], wanted: str) -> VendorHealth | None:
    """The vendor of this name, in Enode's spelling or as people write it, in capitals or not."""
    name = wanted.strip().casefold()
    for it in vendors:
        if name in {it.vendor.casefold(), (it.display_name or it.vendor).casefold()}:
            return it
    return None
