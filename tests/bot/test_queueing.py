import asyncio

from bot.bus import Bus
from bot.errors import StorageUnavailable
from bot.queueing import QueueLoop


class Steps:
    """Counts looks at a queue; the first two fail."""

    def __init__(self):
        self.taken = 0
        self.looked = asyncio.Event()

    async def step(self):
        self.taken += 1
        self.looked.set()
        if self.taken == 1:
            raise StorageUnavailable
        if self.taken == 2:
            raise RuntimeError("a bad row")
        return 3600.0

    async def wait_for(self, count):
        async with asyncio.timeout(10):
            while self.taken < count:
                self.looked.clear()
                await self.looked.wait()


async def test_it_outlives_trouble_and_looks_again_at_news(caplog):
    steps, bus = Steps(), Bus()
    loop = QueueLoop("letters", steps.step, bus, {"post"})
    loop.start()
    await steps.wait_for(1)
    loop.wake()  # need not wait for the retry
    await steps.wait_for(2)
    loop.wake()
    await steps.wait_for(3)
    bus.publish("elsewhere", "arrived", {})
    await asyncio.sleep(0.02)
    assert steps.taken == 3
    bus.publish("post", "arrived", {})
    await steps.wait_for(4)
    await loop.stop()
    assert "The queue of letters cannot be read" in caplog.text
    assert "A step of letters failed" in caplog.text


async def test_it_stops_at_once_and_may_begin_again():
    steps = Steps()
    loop = QueueLoop("letters", steps.step, Bus(), {"post"})
    for _ in range(2):
        loop.start()
        await steps.wait_for(steps.taken + 1)
        async with asyncio.timeout(1):
            await loop.stop()
        assert loop.stopping
    before = steps.taken
    loop.wake()
    await asyncio.sleep(0.02)
    assert steps.taken == before


async def test_much_news_at_once_is_one_look_after_a_rest():
    steps, bus = Steps(), Bus()
    steps.taken = 2  # no trouble
    loop = QueueLoop("letters", steps.step, bus, {"post"}, rest_s=0.2)
    loop.start()
    await steps.wait_for(3)
    for _ in range(20):
        bus.publish("post", "arrived", {})
        await asyncio.sleep(0.002)
    assert steps.taken == 3
    await steps.wait_for(4)
    await asyncio.sleep(0.05)
    assert steps.taken == 4
    await loop.stop()
