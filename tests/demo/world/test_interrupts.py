import asyncio
import signal

import pytest

from demo.world.interrupts import Interrupts


async def test_work_that_ends_by_itself_gives_its_result():
    interrupts = Interrupts()

    async def work() -> int:
        return 7

    assert await interrupts.run(work()) == 7


async def test_the_first_signal_cancels_the_work_which_may_clean_up():
    interrupts, steps = Interrupts(), []

    async def work() -> None:
        try:
            await asyncio.sleep(600)
        finally:
            await asyncio.sleep(0)
            steps.append("cleaned up")

    asyncio.get_running_loop().call_soon(interrupts.take, signal.SIGTERM)
    assert await interrupts.run(work()) is None
    assert steps == ["cleaned up"]
    assert interrupts.came == [signal.SIGTERM]
    assert not interrupts.hurry.is_set()


async def test_a_signal_after_the_end_has_begun_asks_for_haste():
    interrupts = Interrupts()
    await interrupts.run(asyncio.sleep(0))
    interrupts.take(signal.SIGINT)
    assert interrupts.hurry.is_set()


async def test_a_signal_that_came_before_the_work_ends_it():
    interrupts = Interrupts()
    interrupts.take(signal.SIGHUP)
    assert await interrupts.run(asyncio.sleep(600)) is None


async def test_an_error_of_the_work_is_its_own():
    async def work() -> None:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        await Interrupts().run(work())
