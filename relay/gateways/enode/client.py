"""The client of Enode's API, with one attribute per resource."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlsplit

import httpx

from relay.gateways.enode.access_token import TokenCache, TokenEndpoint
from relay.gateways.enode.actions import Actions
from relay.gateways.enode.api import EnodeApi
from relay.gateways.enode.health import Health
from relay.gateways.enode.http_request import Clock
from relay.gateways.enode.interventions import Interventions
from relay.gateways.enode.links import Links
from relay.gateways.enode.locations import Locations
from relay.gateways.enode.retry import RetryingTransport, RetryPolicy
from relay.gateways.enode.smart_charging import SmartCharging
from relay.gateways.enode.users import Users
from relay.gateways.enode.vehicles import Vehicles
from relay.gateways.enode.webhooks import Webhooks


@dataclass(frozen=True, slots=True, kw_only=True)
class EnodeConfig:
    """Servers, credentials, timeouts and limits. Raises ValueError, naming the field, for an unusable URL."""

    base_url: str
    """The root of the API."""
    auth_url: str
    """The token endpoint; of the same environment (sandbox or production) as `base_url`."""
    client_id: str
    client_secret: str = field(repr=False)
    connect_timeout: timedelta = timedelta(seconds=5)
    read_timeout: timedelta = timedelta(seconds=15)
    write_timeout: timedelta = timedelta(seconds=10)
    pool_timeout: timedelta = timedelta(seconds=5)
    max_connections: int = 20
    max_body_bytes: int = 8 * 1024 * 1024
    """A longer response raises EnodeProtocolError."""
    retry: RetryPolicy = field(default_factory=RetryPolicy)

    def __post_init__(self) -> None:
        for name in ("base_url", "auth_url"):
            require_url(name, getattr(self, name))


def require_url(name: str, value: str) -> None:
    """Raise ValueError unless `value` is a plain web address: credentials in it would replace the access token."""
    try:
        urlsplit(value)  # rejects broken IPv6 brackets, which httpx accepts as a host name
        url = httpx.URL(value)
    except ValueError, httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme not in {"http", "https"} or not url.host or url.userinfo or url.query or url.fragment:
        raise ValueError(f"{name} must be an http or https URL without credentials, query or fragment")


class EnodeClient:
    """Enode's API, version 2024-10-01. Every call raises EnodeError and no other error of its own."""

    def __init__(self, http: httpx.AsyncClient, config: EnodeConfig, *, clock: Clock | None = None) -> None:
        transport = RetryingTransport(http=http, clock=clock or Clock(), policy=config.retry)
        auth = httpx.BasicAuth(config.client_id, config.client_secret)
        tokens = TokenCache(TokenEndpoint(transport, url=config.auth_url, auth=auth).fetch, transport.clock)
        api = EnodeApi(transport, base_url=config.base_url, tokens=tokens, max_body_bytes=config.max_body_bytes)
        self.users = Users(api)
        self.links = Links(api)
        self.vehicles = Vehicles(api)
        self.actions = Actions(api)
        self.webhooks = Webhooks(api)
        self.health = Health(api)
        self.interventions = Interventions(api)
        self.smart_charging = SmartCharging(api)
        self.locations = Locations(api)


@asynccontextmanager
async def open_enode(config: EnodeConfig) -> AsyncIterator[EnodeClient]:
    """Yield a client with its own connection pool, closed at the end. Opening it sends no request."""
    timeout = httpx.Timeout(
        connect=config.connect_timeout.total_seconds(),
        read=config.read_timeout.total_seconds(),
        write=config.write_timeout.total_seconds(),
        pool=config.pool_timeout.total_seconds(),
    )
    limits = httpx.Limits(
        max_connections=config.max_connections,
        max_keepalive_connections=config.max_connections,
        # Well below the idle timeouts of load balancers: a POST on a dead connection has an unknown outcome.
        keepalive_expiry=15,
    )
    headers = {"User-Agent": "evconduit"}
    # trust_env=False: a proxy or netrc file named in the environment must not receive the client secret.
    async with httpx.AsyncClient(timeout=timeout, limits=limits, headers=headers, trust_env=False) as http:
        yield EnodeClient(http, config)
