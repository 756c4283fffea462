"""Predictions of one version: quick ones at once, others in a thread; who has to wait meanwhile is joined.

Nobody ever waits for others to come: a batch is what has queued up while the model was busy. Whether joining pays is
measured (`Pace`); where it does not, the queue is served one by one.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from concurrent.futures import Executor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from plumbline.deployment.core.errors import DeploymentError, FullError
from plumbline.deployment.core.model import Arrays, Model, Table
from plumbline.deployment.serving.pace import Pace

Outputs = dict[str, NDArray[np.generic]]
QUICK_S = 0.0005  # a prediction below this is cheaper on the loop than the way to a thread and back
SAMPLE = 8  # one in so many quick predictions is timed by itself
SLOW = 2  # requests in a row that were not quick: the model is not


@dataclass(slots=True)
class Room:
    """Places for those who wait, shared by all versions.

    Args:
        limit: How many requests may wait.
        waiting: How many do.
    """

    limit: int
    waiting: int = 0


@dataclass(slots=True)
class _Work:
    inputs: Arrays
    rows: int
    done: asyncio.Future[Outputs]
    counted: bool = False  # takes a place in the room


@dataclass(slots=True)
class Seen:
    """What a runner noticed: rows of predictions, for the histogram, and how many there were."""

    batches: int = 0
    rows: int = 0
    joined: int = 0
    sizes: dict[int, int] = field(default_factory=dict)

    def note(self, requests: int, rows: int) -> None:
        """Count one prediction for so many requests."""
        self.batches += 1
        self.rows += rows
        self.joined += requests > 1
        size = 1 << max(rows - 1, 0).bit_length()  # the next power of two
        self.sizes[size] = self.sizes.get(size, 0) + 1


class Runner:
    """Runs one model.

    Args:
        model: Loaded.
        pool: Threads for predictions that are not quick.
        room: Places in the queue.
        batch_rows: Rows joined at most.
        parallel: Predictions side by side.
        pace: What warm-up measured.
    """

    def __init__(
        self, model: Model, pool: Executor, room: Room, *, batch_rows: int, parallel: int = 1, pace: Pace | None = None
    ) -> None:
        self._model = model
        self._pool = pool
        self._room = room
        self._batch_rows = batch_rows
        self._parallel = parallel
        self._busy = 0
        self._slow = 0
        self._queue: deque[_Work] = deque()
        self.pace = pace or Pace()
        self.seen = Seen()

    @property
    def waiting(self) -> int:
        """Requests in this version's queue."""
        return len(self._queue)

    def at_once(self, inputs: Arrays, rows: int) -> Outputs | None:
        """Predict here and now if that is quick and nobody else waits; else return None.

        Raises:
            DeploymentError: The model's.
        """
        if self._busy or self._queue or not 0 < self.pace.expected_s(rows) <= QUICK_S:
            return None
        self.seen.note(1, rows)
        if self.seen.batches % SAMPLE:
            return _whole(self._model.predict(inputs), rows)
        began = time.perf_counter()
        outputs = self._model.predict(inputs)
        seconds = time.perf_counter() - began
        if seconds <= QUICK_S:
            self.pace.note(rows, seconds)
        return _whole(outputs, rows)

    def took(self, rows: int, seconds: float) -> None:
        """Hear how long a request took that `at_once` answered: a model that became slow is noticed at the second.

        One slow request alone may be the machine's doing; it must not send the next hundred to a thread.
        """
        if seconds <= QUICK_S:
            self._slow = 0
            return
        self._slow += 1
        if self._slow >= SLOW:
            self.pace.note(rows, seconds)

    async def later(self, inputs: Arrays, rows: int) -> Outputs:
        """Predict in a thread, with those who wait, too, where that pays.

        Raises:
            FullError: Too many wait already; `retry_after_s` says when to come back.
            DeploymentError: The model's.
        """
        work = _Work(inputs, rows, asyncio.get_running_loop().create_future())
        if self._busy >= self._parallel:
            self._admit(work)
        self._queue.append(work)
        self._start()
        return await work.done

    def _admit(self, work: _Work) -> None:
        if self._room.waiting >= self._room.limit:
            ahead = sum(other.rows for other in self._queue)
            again = max(1, math.ceil(self.pace.expected_s(ahead)))
            raise FullError(
                f"{self._room.waiting} requests wait already: come back in {again} s",
                waiting=self._room.waiting,
                limit=self._room.limit,
                retry_after_s=again,
            )
        self._room.waiting += 1
        work.counted = True

    def _start(self) -> None:
        loop = asyncio.get_running_loop()
        while self._queue and self._busy < self._parallel:
            batch = self._next()
            if not batch:
                continue
            self._busy += 1
            task = loop.run_in_executor(self._pool, self._predict, batch)
            task.add_done_callback(lambda future, batch=batch: self._finish(future, batch))  # type: ignore[misc]

    def _next(self) -> list[_Work]:
        """Take whoever goes next from the queue; those whose callers have gone are left out."""
        batch: list[_Work] = []
        rows = 0
        while self._queue:
            work = self._queue[0]
            if batch and (not self.pace.joins or rows + work.rows > self._batch_rows or not _alike(batch[0], work)):
                break
            self._queue.popleft()
            self._room.waiting -= work.counted
            if not work.done.cancelled():
                batch.append(work)
                rows += work.rows
        return batch

    def _predict(self, batch: list[_Work]) -> tuple[list[Outputs | Exception], int, float]:
        """Answer each work of a batch; in a thread."""
        rows = sum(work.rows for work in batch)
        began = time.perf_counter()
        try:
            outputs = _whole(self._model.predict(_joined(batch)), rows)
        except Exception as error:  # noqa: BLE001 - one caller's rows must not fail the others': each alone, then
            if len(batch) == 1:
                return [error], rows, 0.0
            return [self._alone(work) for work in batch], rows, 0.0
        took = time.perf_counter() - began
        return list(_parted(outputs, batch)), rows, took

    def _alone(self, work: _Work) -> Outputs | Exception:
        try:
            return _whole(self._model.predict(work.inputs), work.rows)
        except Exception as error:  # noqa: BLE001 - handed to its caller
            return error

    def _finish(self, future: asyncio.Future[tuple[list[Outputs | Exception], int, float]], batch: list[_Work]) -> None:
        self._busy -= 1
        if future.cancelled():
            answers: list[Outputs | Exception] = [DeploymentError("the server is going")] * len(batch)
        else:
            answers, rows, took = future.result()
            self.seen.note(len(batch), rows)
            if took:
                self.pace.note(rows, took)
        for work, answer in zip(batch, answers, strict=True):
            if work.done.done():
                continue
            if isinstance(answer, Exception):
                work.done.set_exception(answer)
            else:
                work.done.set_result(answer)
        self._start()


def _whole(outputs: Outputs, rows: int) -> Outputs:
    for name, array in outputs.items():
        if len(array) != rows:
            raise DeploymentError(
                f"the model answered {len(array)} values of '{name}' to {rows} rows", output=name, rows=rows
            )
    return outputs


def _alike(one: _Work, other: _Work) -> bool:
    """Say whether two requests' inputs can lie under each other."""
    a, b = one.inputs, other.inputs
    if isinstance(a, Table) and isinstance(b, Table):
        return a.columns == b.columns
    return all(name in b and a[name].shape[1:] == b[name].shape[1:] for name in a)


def _joined(batch: list[_Work]) -> Arrays:
    first = batch[0].inputs
    if len(batch) == 1:
        return first
    if isinstance(first, Table):
        tables = [work.inputs for work in batch if isinstance(work.inputs, Table)]
        if len(tables) == len(batch):
            return Table(first.columns, np.concatenate([table.matrix for table in tables]))
    return {name: np.concatenate([work.inputs[name] for work in batch]) for name in first}


def _parted(outputs: Outputs, batch: list[_Work]) -> list[Outputs]:
    if len(batch) == 1:
        return [outputs]
    parts, begin = [], 0
    for work in batch:
        end = begin + work.rows
        parts.append({name: array[begin:end] for name, array in outputs.items()})
        begin = end
    return parts
