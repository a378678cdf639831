"""A relay with the simulated Enode, and a user who goes through the pages of both."""

import asyncio
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
from psycopg.rows import dict_row

from relay.inbox.parser import parse_event
from relay.kit.timestamps import format_timestamp
from relay.plans import PLAN_NAMES
from relay.usecases.events.apply_enode_event import apply_enode_event
from relay.usecases.events.drain_inbox import InboxDrainer

HOME = "https://relay.test"


class LinkingScenario:
    """One account on one relay, with clients for the API, a browser, and Enode's pages."""

    def __init__(self, app, pool, simulator, account):
        self.app, self.pool, self.simulator, self.account = app, pool, simulator, account
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self.api = httpx.AsyncClient(transport=transport, base_url=HOME, headers={"Authorization": account.header})
        self.browser = httpx.AsyncClient(transport=transport, base_url=HOME)
        self.enode = httpx.AsyncClient(trust_env=False)

    @property
    def runtime(self):
        return self.app.state.runtime

    def set_vehicle_limits(self, **by_plan):
        limits = dict.fromkeys(PLAN_NAMES) | by_plan
        self.app.state.runtime = replace(self.runtime, plans=self.runtime.plans.override(vehicle_limits=limits))

    async def drain_inbox(self):
        """Process the events in the inbox."""
        plans = self.runtime.plans

        async def apply(connection, event, *, vin_key):
            return await apply_enode_event(connection, event, vin_key=vin_key, plans=plans)

        drainer = InboxDrainer(self.pool, wake=lambda _users: None, vin_key=self.runtime.secret_key, apply_event=apply)
        return await drainer.drain_once()

    async def send_vehicle_event(self, kind, vehicle):
        """Process an Enode event, dated a minute from now: later than everything that was polled."""
        event = {
            "event": f"user:vehicle:{kind}",
            "createdAt": format_timestamp(datetime.now(UTC) + timedelta(minutes=1)),
            "version": "2024-10-01",
            "user": {"id": str(self.account.user_id)},
            "vehicle": vehicle,
        }
        await self.app.state.inbox.store_events([parse_event(event)], source="webhook")
        await self.drain_inbox()

    async def create_link(self, vendor=None):
        """Request a link page; returns the response of link-vehicle."""
        response = await self.api.post("/api/user/link-vehicle", json={} if vendor is None else {"vendor": vendor})
        assert response.status_code == 200, response.text
        return response.json()

    async def complete_enode_page(self, page, *, cars=None, step="sign_in"):
        """Go through Enode's page; returns the URL that leads back to the relay.

        Links all listed cars unless `cars` names some.
        """
        if step == "cancel":
            return (await self.enode.post(page, data={"step": "cancel"})).headers["location"]
        await self.enode.post(page, data={"step": "consent"})
        listed = re.findall(r'name="car" value="([^"]+)"', (await self.enode.get(page)).text)
        return (await self.enode.post(page, data={"step": "sign_in", "car": cars or listed})).headers["location"]

    async def link_vehicles(self, vendor="TESLA", *, cars=None):
        """Link from link-vehicle to the way back to the relay; returns the response of link-vehicle."""
        link = await self.create_link(vendor)
        redirect = await self.browser.post(link["url"])
        assert redirect.status_code == 303, redirect.text
        callback_url = await self.complete_enode_page(redirect.headers["location"], cars=cars)
        assert (await self.browser.get(callback_url)).status_code == 200
        await self.drain_inbox()
        return link

    async def get_link_result(self, link):
        response = await self.api.post("/api/user/link-result", json={"link_id": link["link_id"]})
        assert response.status_code == 200, response.text
        return response.json()

    async def call_enode(self, method, path, body=None, *, status=200):
        """Call the simulated Enode's API, or its control API under /_sim."""
        return await asyncio.to_thread(self.simulator.json, method, path, body, status=status)

    async def query(self, statement, *values):
        async with self.pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(statement, values)
            return await cursor.fetchall() if cursor.description else []

    async def list_vehicles(self):
        """The account's vehicles as the API returns them to Home Assistant."""
        return (await self.api.get("/api/ha/v2/vehicles")).json()["vehicles"]

    async def reset_check_throttle(self):
        """Let the next link-result ask Enode again at once."""
        await self.query("update link_pages set refreshed_at = null")


def parse_problem(response):
    """Status and slug of a problem response."""
    body = response.json()
    return response.status_code, body["type"].rpartition(":")[2]


def get_enode_user_path(scenario) -> str:
    """The path of the scenario's user in Enode's API."""
    return f"/users/{scenario.account.user_id}"
