"""A cache of the vehicle vendors that Enode can link."""

import time
from collections.abc import Callable

from relay.gateways.enode import EnodeClient, EnodeError, VendorHealth

CACHE_SECONDS = 600.0
RETRY_AFTER_FAILURE_SECONDS = 30.0
"""The stale list is used this long after a failed refresh, so that users do not wait for Enode each time."""


class VendorCache:
    """Enode's list of vehicle vendors, cached in this process."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._vendors: tuple[VendorHealth, ...] = ()
        self._refresh_at = float("-inf")

    async def get(self, enode: EnodeClient) -> tuple[VendorHealth, ...]:
        """Return the list, a stale one while Enode is unavailable. Raises EnodeError if there is no stale one."""
        if self._monotonic() < self._refresh_at:
            return self._vendors
        try:
            vendors = await enode.health.list_vehicle_vendors()
        except EnodeError:
            if not self._vendors:
                raise
            self._refresh_at = self._monotonic() + RETRY_AFTER_FAILURE_SECONDS
        else:
            self._vendors = tuple(sorted(vendors, key=lambda vendor: (vendor.display_name or vendor.vendor).casefold()))
            self._refresh_at = self._monotonic() + CACHE_SECONDS
        return self._vendors

    def get_display_name(self, vendor: str) -> str:
        """Return the vendor's display name, or `vendor` itself if it is not cached. Sends no request."""
        return next((cached.display_name or vendor for cached in self._vendors if cached.vendor == vendor), vendor)


def find_vendor(vendors: tuple[VendorHealth, ...], vendor_name: str) -> VendorHealth | None:
    """Find a vendor by Enode's identifier or by display name, ignoring case."""
    name = vendor_name.strip().casefold()
    for vendor in vendors:
        if name in {vendor.vendor.casefold(), (vendor.display_name or vendor.vendor).casefold()}:
            return vendor
    return None
