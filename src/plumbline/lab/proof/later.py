"""Do something beside what one is doing, or several things side by side."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from functools import partial
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def later(call: Callable[[], Result]) -> Future[Result]:
    """Start a call in a thread of its own, which no interpreter's end waits for, and return its future."""
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def side_by_side(
    items: Iterable[Item], work: Callable[[Item], Result], width: int, give_up: Callable[[], None]
) -> Iterator[Result]:
    """Yield the results as they come; what has not begun when the caller stops asking never does.

    Args:
        items: What to work on, in this order.
        work: Called in threads; what it raises is raised here.
        width: How many at the same time; a single one works in the caller's thread.
        give_up: Called when the caller stops asking while some are under way; their ends are waited for.
    """
    waiting = list(items)
    if width == 1:
        yield from map(work, waiting)
        return
    ended: queue.SimpleQueue[Future[Result]] = queue.SimpleQueue()
    running = 0
    try:
        while waiting or running:
            while waiting and running < width:
                later(partial(work, waiting.pop(0))).add_done_callback(ended.put)
                running += 1
            done = ended.get()
            running -= 1
            yield done.result()
    finally:
        if running:
            give_up()
        for _ in range(running):  # labs are taken down before the caller goes on
            ended.get()
