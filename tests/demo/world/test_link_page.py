import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import ExitStack

import aiohttp
import pytest

from demo.world.errors import BrokenPartError
from demo.world.link_page import go_through
from demo.world.parts import Ground
from demo.world.ports import choose_ports
from demo.world.simulator import Simulator
from demo.world.state import open_state

RETURN = "http://127.0.0.1:9/link-callback"


@pytest.fixture
async def ground(tmp_path, supervisor) -> AsyncIterator[Ground]:
    with open_state(tmp_path / "demo") as state, ExitStack() as claims:
        state.begin(fresh=False)
        async with aiohttp.ClientSession() as session:
            yield Ground(state=state, supervisor=supervisor, ports=choose_ports({}, {}, claims), session=session)
            await supervisor.stop_all()
    await asyncio.sleep(0)  # aiohttp closes its sockets in the loop's next round


@pytest.fixture
async def simulator(ground) -> Simulator:
    simulator = Simulator(ground)
    await simulator.start(speed=0)
    return simulator


async def link_session(ground: Ground, simulator: Simulator) -> str:
    memory = ground.state.memory
    basic = base64.b64encode(f"{memory.client_id}:{memory.client_secret}".encode()).decode()
    headers = {"Authorization": f"Basic {basic}"}
    form = {"grant_type": "client_credentials"}
    async with ground.session.post(f"{simulator.url}/oauth2/token", data=form, headers=headers) as response:
        token = (await response.json())["access_token"]
    body = {"scopes": ["vehicle:read:data"], "language": "en-US", "redirectUri": RETURN}
    headers = {"Authorization": f"Bearer {token}", "Enode-Version": "2024-10-01"}
    async with ground.session.post(f"{simulator.url}/users/me/link", json=body, headers=headers) as response:
        return (await response.json())["linkUrl"]


async def test_the_page_is_gone_through_from_brand_to_cars_and_back(ground, simulator):
    address = await link_session(ground, simulator)
    assert await go_through(ground.session, address) == RETURN
    assert len(await simulator.cars()) >= 1


async def test_a_used_link_is_told(ground, simulator):
    address = await link_session(ground, simulator)
    await go_through(ground.session, address)
    with pytest.raises(BrokenPartError, match="the link page answered 410"):
        await go_through(ground.session, address)


async def test_the_simulator_tells_what_it_does_not_understand(simulator):
    with pytest.raises(BrokenPartError, match="the simulator answered 404 to GET /_sim/vehicles/none"):
        await simulator.car("none")


async def test_cars_survive_a_restart_of_the_simulator(ground, simulator, supervisor):
    await go_through(ground.session, await link_session(ground, simulator))
    before = await simulator.cars()
    await supervisor.stop_all()
    again = Simulator(ground)
    await again.start(speed=0)
    assert [it["vehicle"]["id"] for it in await again.cars()] == [it["vehicle"]["id"] for it in before]
