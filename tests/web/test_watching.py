"""Pages that watch together: one that goes takes nothing from the others."""

from __future__ import annotations

import asyncio
import contextlib

import anyio

from plumbline.web.watching import Shared, closing

PATIENCE_S = 20


async def watch(shared: Shared, seconds: float) -> None:
    """Read events until the page is gone; as the server does it, which cancels its reader until that has ended."""

    async def read() -> None:
        async for _ in closing(shared.follow()):
            pass

    async with anyio.create_task_group() as page:
        page.start_soon(read)
        await anyio.sleep(seconds)
        page.cancel_scope.cancel()


def test_pages_that_go_at_any_moment_leave_the_others_their_events() -> None:
    async def main() -> None:
        shared = Shared(lambda: "event: look\n\n", 0.001)
        async with contextlib.aclosing(shared.follow()) as staying:  # type: ignore[type-var]  # an async generator
            for turn in range(5):
                await asyncio.gather(*(watch(shared, 0.0005 * number) for number in range(turn, turn + 10)))
                await asyncio.wait_for(anext(staying), PATIENCE_S)
        assert shared.watchers == 0

    asyncio.run(main())


def test_who_comes_later_is_told_the_next_event() -> None:
    async def main() -> None:
        number = iter(range(1000))
        shared = Shared(lambda: f"{next(number)}", 0.001)
        first, second = shared.follow(), shared.follow()
        assert await anext(first) == "retry: 2000\n\n"
        seen = [await anext(first) for _ in range(3)]
        await anext(second)
        assert int(await anext(second)) > int(seen[-1])
        await first.aclose()
        await second.aclose()

    asyncio.run(main())
