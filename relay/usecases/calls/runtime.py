"""What a running relay has at hand for its routes; made by the composition root, reached through the app's state."""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated, Literal, cast
from uuid import UUID

from fastapi import Depends, Request

from relay.bus.waker import Waker
from relay.gateways.enode import EnodeClient
from relay.gateways.enode.vendor_cache import VendorCache
from relay.gateways.supabase import Provider, SupabaseClient
from relay.kit.database import Pool
from relay.kit.jobs import JobQueue
from relay.kit.outbound import OutboundClient
from relay.kit.rate_limiter import RateLimiter
from relay.plans import SELF_HOSTED_PLANS, Plans
from relay.streams.hub import Hub

type Mode = Literal["self-hosted", "cloud"]
type RegistrationPolicy = Literal["closed", "invitation", "open"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SupabaseSignIn:
    """How people come in where there are many: Supabase says who they are, the operator who may."""

    supabase: SupabaseClient
    registration: RegistrationPolicy = "closed"
    # Whether the operator lets each new person in by hand.
    requires_approval: bool = False
    providers: tuple[Provider, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Runtime:
    """One process of the relay. Nothing in it is needed by another process."""

    pool: Pool
    hub: Hub
    # Says that users' feeds were advanced; to be called after the commit.
    feed_waker: Waker
    jobs: JobQueue
    # None while ENODE_CLIENT_ID is not set: everything but talking to Enode works.
    enode: EnodeClient | None
    version: str
    # Where people reach this relay, without a slash at the end.
    public_url: str = ""
    # How often a credential may ask what costs nothing, in this process.
    rate_limiter: RateLimiter = field(default_factory=RateLimiter)
    # Look at Enode soon; does nothing where Enode tells us by itself.
    request_poll: Callable[[], None] = field(default=lambda: None)
    # Where Enode's link pages lie, as a content security policy names it.
    link_origins: str = "https://*.enode.com https://*.enode.io"
    # Whose cars can be linked.
    vendors: VendorCache = field(default_factory=VendorCache)
    # The only way to addresses that users gave.
    outbound: OutboundClient = field(default_factory=OutboundClient)
    # The relay's own secret key: what is derived from it is the same in every process, and after every start.
    secret_key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    mode: Mode = "self-hosted"
    # Whether a Home Assistant that signs in may be answered at its own address, whatever that is.
    allows_local_redirects: bool = False
    # What each plan grants: calls, push, vehicles.
    plans: Plans = SELF_HOSTED_PLANS
    # Whose Supabase JWT this is; None for one that proves nothing. Nobody's where people do not sign in with Supabase.
    verify_supabase_token: Callable[[str], Awaitable[UUID | None]] | None = None
    # None on a relay of one's own: its owner signs in by a link.
    supabase_sign_in: SupabaseSignIn | None = None
    # Has Supabase forget one of its users; for one that it does not know it does nothing.
    delete_supabase_user: Callable[[UUID], Awaitable[None]] | None = None
    # How often a user may have everything put into a file.
    export_rate_limiter: RateLimiter = field(default_factory=lambda: RateLimiter(per_minute=5))

    @property
    def is_https(self) -> bool:
        """Whether browsers reach this relay over TLS."""
        return self.public_url.startswith("https://")


async def get_runtime(request: Request) -> Runtime:
    """The runtime of the app that serves this request."""
    return cast("Runtime", request.app.state.runtime)


type RuntimeDependency = Annotated[Runtime, Depends(get_runtime)]
