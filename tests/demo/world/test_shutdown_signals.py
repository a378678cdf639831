import asyncio
import signal

import pytest

from demo.world.shutdown_signals import ShutdownSignals


async def test_work_that_ends_by_itself_gives_its_result():
    interrupts = ShutdownSignals()

    async def work() -> int:
        return 7

    assert await interrupts.run_until_signal(work()) == 7


async def test_the_first_signal_cancels_the_work_which_may_clean_up():
    interrupts, steps = ShutdownSignals(), []

    async def work() -> None:
        try:
            await asyncio.sleep(600)
        finally:
            await asyncio.sleep(0)
            steps.append("cleaned up")

    asyncio.get_running_loop().call_soon(interrupts.handle, signal.SIGTERM)
    assert await interrupts.run_until_signal(work()) is None
    assert steps == ["cleaned up"]
    assert interrupts.received == [signal.SIGTERM]
    assert not interrupts.force.is_set()


async def test_a_signal_after_the_end_has_begun_asks_for_haste():
    interrupts = ShutdownSignals()
    await interrupts.run_until_signal(asyncio.sleep(0))
    interrupts.handle(signal.SIGINT)
    assert interrupts.force.is_set()


async def test_a_signal_that_came_before_the_work_ends_it():
    interrupts = ShutdownSignals()
    interrupts.handle(signal.SIGHUP)
    assert await interrupts.run_until_signal(asyncio.sleep(600)) is None


async def test_an_error_of_the_work_is_its_own():
    async def work() -> None:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        await ShutdownSignals().run_until_signal(work())
