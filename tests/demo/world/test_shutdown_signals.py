import asyncio
import signal

import pytest

from demo.world.shutdown_signals import ShutdownSignals


async def test_result_of_finished_work_is_returned():
    signals = ShutdownSignals()

    async def work() -> int:
        return 7

    assert await signals.run_until_signal(work()) == 7


async def test_first_signal_cancels_the_work_and_waits_for_its_cleanup():
    signals, steps = ShutdownSignals(), []

    async def work() -> None:
        try:
            await asyncio.sleep(600)
        finally:
            await asyncio.sleep(0)
            steps.append("cleaned up")

    asyncio.get_running_loop().call_soon(signals.handle, signal.SIGTERM)
    assert await signals.run_until_signal(work()) is None
    assert steps == ["cleaned up"]
    assert signals.received == [signal.SIGTERM]
    assert not signals.force.is_set()


async def test_signal_during_shutdown_forces_it():
    signals = ShutdownSignals()
    await signals.run_until_signal(asyncio.sleep(0))
    signals.handle(signal.SIGINT)
    assert signals.force.is_set()


async def test_earlier_signal_cancels_the_work():
    signals = ShutdownSignals()
    signals.handle(signal.SIGHUP)
    assert await signals.run_until_signal(asyncio.sleep(600)) is None


async def test_error_of_the_work_is_raised():
    async def work() -> None:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        await ShutdownSignals().run_until_signal(work())
