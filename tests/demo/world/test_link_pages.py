import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import ExitStack

import aiohttp
import pytest

from demo.world.context import DemoContext
from demo.world.errors import ComponentError
from demo.world.link_pages import complete_link_pages
from demo.world.ports import choose_ports
from demo.world.simulator import Simulator
from demo.world.state_folder import open_state_folder

REDIRECT_URI = "http://127.0.0.1:9/link-callback"


@pytest.fixture
async def context(tmp_path, supervisor) -> AsyncIterator[DemoContext]:
    with open_state_folder(tmp_path / "demo") as state, ExitStack() as claims:
        state.prepare(fresh=False)
        async with aiohttp.ClientSession() as session:
            yield DemoContext(state=state, supervisor=supervisor, ports=choose_ports({}, {}, claims), session=session)
            await supervisor.stop_all()
    await asyncio.sleep(0)  # aiohttp closes its sockets in the loop's next round


@pytest.fixture
async def simulator(context) -> Simulator:
    simulator = Simulator(context)
    await simulator.start(speed=0)
    return simulator


async def create_link_session(context: DemoContext, simulator: Simulator) -> str:
    memory = context.state.saved
    basic = base64.b64encode(f"{memory.client_id}:{memory.client_secret}".encode()).decode()
    headers = {"Authorization": f"Basic {basic}"}
    form = {"grant_type": "client_credentials"}
    async with context.session.post(f"{simulator.url}/oauth2/token", data=form, headers=headers) as response:
        token = (await response.json())["access_token"]
    body = {"scopes": ["vehicle:read:data"], "language": "en-US", "redirectUri": REDIRECT_URI}
    headers = {"Authorization": f"Bearer {token}", "Enode-Version": "2024-10-01"}
    async with context.session.post(f"{simulator.url}/users/me/link", json=body, headers=headers) as response:
        return (await response.json())["linkUrl"]


async def test_link_pages_are_completed_up_to_the_redirect(context, simulator):
    address = await create_link_session(context, simulator)
    assert await complete_link_pages(context.session, address) == REDIRECT_URI
    assert len(await simulator.list_vehicles()) >= 1


async def test_used_link_raises_an_error(context, simulator):
    address = await create_link_session(context, simulator)
    await complete_link_pages(context.session, address)
    with pytest.raises(ComponentError, match="the link page answered 410"):
        await complete_link_pages(context.session, address)


async def test_control_error_raises_an_error_with_the_path(simulator):
    with pytest.raises(ComponentError, match="the simulator answered 404 to GET /_sim/vehicles/none"):
        await simulator.get_vehicle("none")


async def test_cars_survive_a_restart_of_the_simulator(context, simulator, supervisor):
    await complete_link_pages(context.session, await create_link_session(context, simulator))
    before = await simulator.list_vehicles()
    await supervisor.stop_all()
    again = Simulator(context)
    await again.start(speed=0)
    assert [vehicle["vehicle"]["id"] for vehicle in await again.list_vehicles()] == [
        period["vehicle"]["id"] for period in before
    ]
