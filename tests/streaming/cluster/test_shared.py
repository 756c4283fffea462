"""Reads that are shared: a storm costs one, and nobody gets an answer older than the question."""

import asyncio

import pytest
from cluster.natslab import eventually

from plumbline.streaming.cluster.shared import SharedReads


class Slow:
    def __init__(self):
        self.value = 0
        self.reads = 0
        self.gate = asyncio.Event()
        self.fail = False

    async def __call__(self, key):
        self.reads += 1
        value = self.value
        await self.gate.wait()
        if self.fail:
            raise OSError(key)
        return value


def test_all_who_ask_together_share_one_read():
    async def main():
        slow = Slow()
        shared = SharedReads(slow)
        asked = [asyncio.ensure_future(shared.read("c")) for _ in range(1000)]
        other = asyncio.ensure_future(shared.read("d"))
        slow.gate.set()
        assert await asyncio.gather(*asked) == [0] * 1000
        await other
        assert slow.reads == shared.reads == 2
        assert shared.shared == 999

    asyncio.run(main())


def test_who_asks_while_a_read_is_under_way_gets_the_next_one():
    async def main():
        slow = Slow()
        shared = SharedReads(slow)
        first = asyncio.ensure_future(shared.read("c"))
        await eventually(lambda: slow.reads)
        slow.value = 1  # stored after the first read began
        late = [asyncio.ensure_future(shared.read("c")) for _ in range(5)]
        await asyncio.sleep(0)
        slow.gate.set()
        assert await first == 0
        assert await asyncio.gather(*late) == [1] * 5
        assert slow.reads == 2

    asyncio.run(main())


def test_a_failed_read_fails_for_all_who_shared_it_and_for_nobody_later():
    async def main():
        slow = Slow()
        slow.fail = True
        slow.gate.set()
        shared = SharedReads(slow)
        asked = [asyncio.ensure_future(shared.read("c")) for _ in range(3)]
        told = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(one, OSError) for one in told)
        slow.fail = False
        assert await shared.read("c") == 0

    asyncio.run(main())


def test_one_who_gives_up_leaves_the_read_to_the_others():
    async def main():
        slow = Slow()
        shared = SharedReads(slow)
        gone, stays = asyncio.ensure_future(shared.read("c")), asyncio.ensure_future(shared.read("c"))
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        slow.gate.set()
        assert await stays == 0

    asyncio.run(main())
