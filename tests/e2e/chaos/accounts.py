"""Users of the relay with their Home Assistants, and the calls that these make."""

import asyncio
import base64
import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import httpx

from relay.kit.database import connect_as_relay
from relay.usecases.access.manage_keys import create_key
from relay.usecases.admin.manage_users import add_user
from tests.e2e.chaos.cluster import Cluster
from tests.e2e.chaos.installations import Installation
from tests.e2e.chaos.seeded_random import fork_random
from tests.e2e.chaos.stream_installation import StreamInstallation
from tests.e2e.chaos.webhook_installation import SharedKeyInstallation, WebhookInstallation, WebhookServer
from tests.e2e.processes import wait_until
from tests.e2e.simulated_enode import SimulatedEnode

VENDORS = ("TESLA", "TESLA", "VOLKSWAGEN")
"""One account each."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """A user with three Home Assistants: with a stream, with an endpoint, and with both on one key.

    `secrets` must not reach a log.
    """

    user: str
    vendor: str
    stream: StreamInstallation
    webhook: WebhookInstallation
    shared: SharedKeyInstallation
    secrets: list[str]

    @property
    def installations(self) -> tuple[Installation, ...]:
        return self.stream, self.webhook, self.shared

    @property
    def endpoints(self) -> tuple[WebhookInstallation, ...]:
        return self.webhook, self.shared

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.stream.key}"}


def create_accounts(
    cluster: Cluster, enode: SimulatedEnode, webhook_server: WebhookServer, generator: random.Random
) -> list[Account]:
    """Create an account for each of VENDORS, with all its cars linked and its endpoints registered."""
    accounts = []
    for number, vendor in enumerate(VENDORS):
        email = f"driver{number}@example.org"
        user, keys = asyncio.run(create_user(cluster.database_url, email))
        paths = [f"/api/webhook/{secrets.token_hex(32)}" for _ in range(2)]
        account = Account(
            user=str(user),
            vendor=vendor,
            stream=StreamInstallation(f"stream {number}", keys[0], cluster.urls, fork_random(generator)),
            webhook=WebhookInstallation(f"webhook {number}", keys[1], path=paths[0]),
            shared=SharedKeyInstallation(
                f"shared key {number}", keys[2], cluster.urls, fork_random(generator), path=paths[1]
            ),
            secrets=[*keys, *paths, email],
        )
        accounts.append(account)
        webhook_server.installations |= {installation.path: installation for installation in account.endpoints}
        link_cars(cluster, enode, account)
    register_endpoints(cluster, webhook_server, accounts)
    return accounts


async def create_user(database_url: str, email: str) -> tuple[UUID, list[str]]:
    """Create a user with three keys, as `evconduit user add` and `evconduit key create` do."""
    async with connect_as_relay(database_url) as connection:
        user = await add_user(connection, email=email, name="", language="en-US")
        scopes = ["read", "control"]
        names = ("stream", "webhook", "both")
        keys = [await create_key(connection, user, name=name, scopes=scopes, max_keys=None) for name in names]
    return user, keys


def link_cars(cluster: Cluster, enode: SimulatedEnode, account: Account) -> None:
    """Link the account's cars, as its user does in a browser, once the relay's first server is up."""

    def link() -> bool:
        response = httpx.post(f"{cluster.urls[0]}/api/user/link-vehicle", headers=account.headers, timeout=10)
        if response.status_code != 200:
            return False
        enode.link(response.json()["url"], account.vendor)
        return True

    wait_until(link, missing=f"a completed link page of {account.vendor}")


def unlink_vendor(cluster: Cluster, account: Account, vehicle_id: str) -> None:
    """Unlink the account's cars through the relay, and try again if it fails."""
    url = f"{cluster.urls[0]}/api/user/vehicles/{vehicle_id}?confirm=true"

    def unlink() -> bool:
        # 404: an earlier attempt succeeded, but its answer was lost.
        return httpx.delete(url, headers=account.headers, timeout=10).status_code in {200, 404}

    wait_until(unlink, missing=f"200 to DELETE {url}")


def register_endpoints(cluster: Cluster, webhook_server: WebhookServer, accounts: Sequence[Account]) -> None:
    """Register all endpoints, and wait until each is registered."""
    for account in accounts:
        for installation in account.endpoints:
            secret = wait_until(
                lambda installation=installation: register_endpoint(cluster, webhook_server, installation),
                missing=f"the registration of the endpoint of {installation.name}",
            )
            account.secrets.append(secret)


def register_endpoint(cluster: Cluster, webhook_server: WebhookServer, installation: WebhookInstallation) -> str | None:
    """Register the endpoint, as a Home Assistant does at each start. Returns its secret, or None if the relay fails."""
    headers = {"Authorization": f"Bearer {installation.key}"}
    body = {"url": webhook_server.url + installation.path}
    response = httpx.put(f"{cluster.urls[0]}/api/ha/v2/endpoint", headers=headers, json=body, timeout=10)
    if response.status_code != 200:
        return None
    installation.secret = base64.b64decode(response.json()["secret"].removeprefix("whsec_"))
    return response.json()["secret"]
