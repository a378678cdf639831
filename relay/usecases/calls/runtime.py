"""Dependencies that the routes of a running relay share. The composition root builds them; `app.state` holds them."""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Annotated, cast
from uuid import UUID

from fastapi import Depends, Request

from relay.bus.waker import Waker
from relay.gateways.enode import EnodeClient
from relay.gateways.enode.vendor_cache import VendorCache
from relay.gateways.supabase import Provider, SupabaseClient
from relay.kit.database import Pool
from relay.kit.ingress import is_ingress_scope
from relay.kit.jobs import JobQueue
from relay.kit.outbound import OutboundClient
from relay.kit.rate_limiter import RateLimiter
from relay.kit.request_address import find_local_origin
from relay.plans import SELF_HOSTED_PLANS, Plans
from relay.streams.hub import Hub
from relay.usecases.calls.modes import Mode, RegistrationPolicy


@dataclass(frozen=True, kw_only=True, slots=True)
class SupabaseSignIn:
    """Sign-in through Supabase Auth, for relays with many users, and the operator's rules for new accounts."""

    supabase: SupabaseClient
    registration: RegistrationPolicy = "closed"
    # Whether the operator must approve each new account.
    requires_approval: bool = False
    providers: tuple[Provider, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class RelayIdentity:
    """Which relay this is, and which version of the program it runs."""

    version: str
    instance_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Runtime:
    """The shared objects of one relay process. No other process needs its state."""

    pool: Pool
    hub: Hub
    # Notifies streams and endpoints that users' feeds advanced. Call it after the commit.
    feed_waker: Waker
    jobs: JobQueue
    # None while ENODE_CLIENT_ID is not set: everything that needs no call to Enode works.
    enode: EnodeClient | None
    version: str
    # The id of this relay's database.
    instance_id: str = ""
    # Base URL under which users reach this relay, without a trailing slash.
    public_url: str = ""
    # Whether the operator chose `public_url`. If not, it is derived from each request where that is safe.
    has_public_url: bool = True
    # Limits free calls per credential, in this process.
    rate_limiter: RateLimiter = field(default_factory=RateLimiter)
    # Requests an early poll of Enode; does nothing where Enode posts to our webhook.
    request_poll: Callable[[], None] = field(default=lambda: None)
    # Origins of Enode's link pages, as sources of a content security policy.
    link_origins: str = "https://*.enode.com https://*.enode.io"
    # Vendors whose vehicles can be linked.
    vendors: VendorCache = field(default_factory=VendorCache)
    # The only client that may connect to addresses given by users.
    outbound: OutboundClient = field(default_factory=OutboundClient)
    # The relay's secret key. Keys derived from it are the same in every process and after every start.
    secret_key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    mode: Mode = "self-hosted"
    # The command by which the owner of a self-hosted relay gets a link to sign in, as pages show it.
    login_command: str = "evconduit login"
    # Whether OAuth may redirect to a Home Assistant's own address, local addresses included.
    allows_local_redirects: bool = False
    # What each plan grants: calls, push, vehicles.
    plans: Plans = SELF_HOSTED_PLANS
    # Returns the Supabase user of a JWT, or None for an invalid one. None where users don't sign in with Supabase.
    verify_supabase_token: Callable[[str], Awaitable[UUID | None]] | None = None
    # Returns whether the user of a valid JWT signed in recently. None where users don't sign in with Supabase.
    is_recent_supabase_sign_in: Callable[[str], Awaitable[bool]] | None = None
    # None on a self-hosted relay, whose owner signs in by a one-time link.
    supabase_sign_in: SupabaseSignIn | None = None
    # Deletes a user at Supabase; does nothing for an unknown one.
    delete_supabase_user: Callable[[UUID], Awaitable[None]] | None = None
    # Limits account exports per user.
    export_rate_limiter: RateLimiter = field(default_factory=lambda: RateLimiter(per_minute=5))

    @property
    def identity(self) -> RelayIdentity:
        """Which relay this is."""
        return RelayIdentity(version=self.version, instance_id=self.instance_id)

    @property
    def is_https(self) -> bool:
        """Whether browsers reach this relay over TLS."""
        return self.public_url.startswith("https://")


def get_process_runtime(request: Request) -> Runtime:
    """Return the runtime of the app that serves this request, the same for every request."""
    return cast("Runtime", request.app.state.runtime)


async def get_runtime(request: Request) -> Runtime:
    """Return the runtime of the app that serves this request.

    Without a public address, `public_url` is the address at which this client reaches the relay, where that is safe.
    """
    runtime = get_process_runtime(request)
    if runtime.has_public_url or is_ingress_scope(request.scope):
        return runtime
    origin = find_local_origin(request)
    return runtime if origin is None or origin == runtime.public_url else replace(runtime, public_url=origin)


type RuntimeDependency = Annotated[Runtime, Depends(get_runtime)]
