"""Linking a car: Enode shows its own page, and sends the browser back to ours."""

from datetime import timedelta
from uuid import UUID

from relay.gateways.enode import EnodeClient, LinkSession

SCOPES = ("vehicle:read:data", "vehicle:read:location", "vehicle:control:charging")
CALLBACK = "/link-callback"


LIVES = timedelta(hours=24)
"""How long Enode keeps an unused link session."""


async def start_link(enode: EnodeClient, user_id: UUID, *, public_url: str, vendor: str | None = None) -> LinkSession:
    """A link session for this account, good once and for 24 hours. The cars arrive as events. Raises EnodeError."""
    return await enode.links.create(
        str(user_id), scopes=SCOPES, language="browser", redirect_uri=public_url + CALLBACK, vendor=vendor
    )
