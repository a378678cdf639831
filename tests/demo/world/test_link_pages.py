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
async def ground(tmp_path, supervisor) -> AsyncIterator[DemoContext]:
    with open_state_folder(tmp_path / "demo") as state, ExitStack() as claims:
        state.prepare(fresh=False)
        async with aiohttp.ClientSession() as session:
            yield DemoContext(state=state, supervisor=supervisor, ports=choose_ports({}, {}, claims), session=session)
            await supervisor.stop_all()
    await asyncio.sleep(0)  # aiohttp closes its sockets in the loop's next round


@pytest.fixture
async def simulator(ground) -> Simulator:
    simulator = Simulator(ground)
    await simulator.start(speed=0)
    return simulator


async def create_link_session(ground: DemoContext, simulator: Simulator) -> str:
    memory = ground.state.saved
    basic = base64.b64encode(f"{memory.client_id}:{memory.client_secret}".encode()).decode()
    headers = {"Authorization": f"Basic {basic}"}
    form = {"grant_type": "client_credentials"}
    async with ground.session.post(f"{simulator.url}/oauth2/token", data=form, headers=headers) as response:
        token = (await response.json())["access_token"]
    body = {"scopes": ["vehicle:read:data"], "language": "en-US", "redirectUri": REDIRECT_URI}
    headers = {"Authorization": f"Bearer {token}", "Enode-Version": "2024-10-01"}
    async with ground.session.post(f"{simulator.url}/users/me/link", json=body, headers=headers) as response:
        return (await response.json())["linkUrl"]


async def test_the_page_is_gone_through_from_brand_to_cars_and_back(ground, simulator):
    address = await create_link_session(ground, simulator)
    assert await complete_link_pages(ground.session, address) == REDIRECT_URI
    assert len(await simulator.list_vehicles()) >= 1


async def test_a_used_link_is_told(ground, simulator):
    address = await create_link_session(ground, simulator)
    await complete_link_pages(ground.session, address)
    with pytest.raises(ComponentError, match="the link page answered 410"):
        await complete_link_pages(ground.session, address)


async def test_the_simulator_tells_what_it_does_not_understand(simulator):
    with pytest.raises(ComponentError, match="the simulator answered 404 to GET /_sim/vehicles/none"):
        await simulator.get_vehicle("none")


async def test_cars_survive_a_restart_of_the_simulator(ground, simulator, supervisor):
    await complete_link_pages(ground.session, await create_link_session(ground, simulator))
    before = await simulator.list_vehicles()
    await supervisor.stop_all()
    again = Simulator(ground)
    await again.start(speed=0)
    assert [it["vehicle"]["id"] for it in await again.list_vehicles()] == [it["vehicle"]["id"] for it in before]
