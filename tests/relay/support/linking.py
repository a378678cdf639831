"""The relay with the simulated Enode behind it, and a person who goes through the pages of both."""

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


class World:
    """One account on one relay, and Enode."""

    def __init__(self, app, pool, simulator, account):
        self.app, self.pool, self.simulator, self.account = app, pool, simulator, account
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self.api = httpx.AsyncClient(transport=transport, base_url=HOME, headers={"Authorization": account.header})
        self.browser = httpx.AsyncClient(transport=transport, base_url=HOME)
        self.enode = httpx.AsyncClient(trust_env=False)

    @property
    def runtime(self):
        return self.app.state.runtime

    def limit(self, **by_plan):
        limits = dict.fromkeys(PLAN_NAMES) | by_plan
        self.app.state.runtime = replace(self.runtime, plans=self.runtime.plans.override(vehicle_limits=limits))

    async def drain(self):
        """Act on what lies in the inbox."""
        plans = self.runtime.plans

        async def apply(connection, event, *, vin_key):
            return await apply_enode_event(connection, event, vin_key=vin_key, plans=plans)

        drain = InboxDrainer(self.pool, wake=lambda _users: None, vin_key=self.runtime.secret_key, apply_event=apply)
        return await drain.drain_once()

    async def tell(self, happened, vehicle):
        """Enode says this of a vehicle, a minute from now: later than all that was polled."""
        event = {
            "event": f"user:vehicle:{happened}",
            "createdAt": format_timestamp(datetime.now(UTC) + timedelta(minutes=1)),
            "version": "2024-10-01",
            "user": {"id": str(self.account.user_id)},
            "vehicle": vehicle,
        }
        await self.app.state.inbox.put([parse_event(event)], source="webhook")
        await self.drain()

    async def ask(self, vendor=None):
        """Ask for a page to link a car on."""
        answer = await self.api.post("/api/user/link-vehicle", json={} if vendor is None else {"vendor": vendor})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def at_maker(self, page, *, cars=None, step="sign_in"):
        """From Enode's page on, as a person does; the way back to the relay. All cars unless some are named."""
        if step == "cancel":
            return (await self.enode.post(page, data={"step": "cancel"})).headers["location"]
        await self.enode.post(page, data={"step": "consent"})
        shown = re.findall(r'name="car" value="([^"]+)"', (await self.enode.get(page)).text)
        return (await self.enode.post(page, data={"step": "sign_in", "car": cars or shown})).headers["location"]

    async def link(self, vendor="TESLA", *, cars=None):
        """The whole way: ask, open, press, sign in, come back. What link-vehicle answered."""
        asked = await self.ask(vendor)
        pressed = await self.browser.post(asked["url"])
        assert pressed.status_code == 303, pressed.text
        back = await self.at_maker(pressed.headers["location"], cars=cars)
        assert (await self.browser.get(back)).status_code == 200
        await self.drain()
        return asked

    async def result(self, asked):
        answer = await self.api.post("/api/user/link-result", json={"link_id": asked["link_id"]})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def sim(self, method, path, body=None, *, status=200):
        """A call to Enode, or to its control surface."""
        return await asyncio.to_thread(self.simulator.json, method, path, body, status=status)

    async def rows(self, statement, *values):
        async with self.pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(statement, values)
            return await cursor.fetchall() if cursor.description else []

    async def records(self):
        """The account's cars, as Home Assistant is told of them."""
        return (await self.api.get("/api/ha/v2/vehicles")).json()["vehicles"]

    async def states(self):
        return sorted((it["vehicle"]["information"]["model"], it["link"]["state"]) for it in await self.records())

    async def forget_turns(self):
        """Enode may be asked again at once how linking went."""
        await self.rows("update link_pages set refreshed_at = null")


def problem(answer):
    """Status and slug of a refusal."""
    body = answer.json()
    return answer.status_code, body["type"].rpartition(":")[2]


def user_path(world) -> str:
    return f"/users/{world.account.user_id}"
