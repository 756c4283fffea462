"""From a reference to a version that is ready: found, verified, loaded, warmed, its golden answers compared."""

from __future__ import annotations

import contextlib
import importlib
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

import numpy as np

from plumbline.deployment.core.errors import CorruptError, DeploymentError, InvalidError
from plumbline.deployment.core.lanes import version_of
from plumbline.deployment.core.model import Arrays, Model, Table
from plumbline.deployment.serving import golden
from plumbline.deployment.serving.batching import Room, Runner
from plumbline.deployment.serving.checks import Checker
from plumbline.deployment.serving.finite import finite
from plumbline.deployment.serving.options import Options
from plumbline.deployment.serving.pace import Pace
from plumbline.deployment.serving.slots import Slot
from plumbline.deployment.serving.source import Found, Source
from plumbline.deployment.serving.tally import Tally

Load = Callable[..., Model]
WIDE = 16  # rows of the larger warm-up prediction: two sizes show what a further row costs
ROUNDS = 3  # of warm-up at least
AGREE = 1e-4  # relative difference between a row alone and among others


class Loading:
    """Makes slots. `slot` blocks: call it in a thread.

    Args:
        source: Finds versions.
        load: Loads a model, as `plumbline.deployment.models.load` does.
        options: Of the server.
        pool: Threads for predictions.
        room: Places in the queue.
    """

    def __init__(self, source: Source, load: Load, options: Options, pool: Executor, room: Room) -> None:
        self._source = source
        self._load = load
        self._options = options
        self._pool = pool
        self._room = room

    def find(self, ref: str) -> Found:
        """Return what a reference means now; see `Source.find`."""
        return self._source.find(ref)

    def index(self) -> list[Found]:
        """Return all versions that could be loaded."""
        return self._source.index()

    def slot(self, key: str) -> Slot:
        """Load a version and make it ready.

        Args:
            key: Its digest; or the name of a copy.

        Raises:
            DeploymentError: It does not get ready; nothing of it is left in memory.
        """
        found = self._source.find(version_of(key))
        if found.manifest.model != self._options.model:
            raise InvalidError(
                f"{key} is a version of '{found.manifest.model}', not of '{self._options.model}'", digest=key
            )
        folder = self._source.folder(found)
        model = self._load(folder, found.manifest, digest=found.digest, threads=self._options.threads)
        try:
            return self._ready(key, found, model)
        except BaseException:
            with contextlib.suppress(Exception):
                model.close()
            raise

    def _ready(self, key: str, found: Found, model: Model) -> Slot:
        if model.digest != found.digest:
            raise CorruptError(f"the loaded model says it is {model.digest}, not {found.digest}", digest=found.digest)
        rows = golden.rows_of(found.manifest.golden, model.signature)
        pace = _warm(model, rows[0], self._options.warmup_s)
        outputs = model.predict(rows[0])
        for output in model.signature.outputs:
            if output.name not in outputs:
                raise InvalidError(f"the model gives no output '{output.name}'", field=output.name)
        if (name := finite(outputs)) is not None:
            raise DeploymentError(f"golden rows: output '{name}' is not finite", reason="not_finite", output=name)
        compared = golden.compare(found.manifest.golden, outputs)
        if not compared.same:
            raise DeploymentError(
                f"{found.version} does not answer its golden rows as it should: {compared.sentence}",
                reason="golden_mismatch",
                digest=found.digest,
            )
        batch_rows = self._options.batch_rows if _joinable(model, rows, outputs) else 1
        runner = Runner(
            model, self._pool, self._room, batch_rows=batch_rows, parallel=self._options.parallel, pace=pace
        )
        checker = Checker(model.signature, self._options.max_rows)
        return Slot(key, found, model, runner, checker, rows, compared, Tally(model.signature, outputs))


def _warm(model: Model, rows: Arrays, seconds: float) -> Pace:
    """Predict until the time is over, one row and many in turn, and return how long that takes."""
    one, many = _repeated(rows, 1), _repeated(rows, WIDE)
    model.predict(many)
    model.predict(one)  # first calls make buffers: they are not measured
    pace, until = Pace(), time.monotonic() + seconds
    done = 0
    while done < ROUNDS or (time.monotonic() < until and done < 100):
        for inputs, count in ((many, WIDE), (one, 1)):
            began = time.perf_counter()
            model.predict(inputs)
            pace.note(count, time.perf_counter() - began)
        done += 1
    return pace


def _repeated(inputs: Arrays, count: int) -> Arrays:
    """Return the first row so many times."""
    if isinstance(inputs, Table):
        return Table(inputs.columns, np.repeat(inputs.matrix[:1], count, axis=0))
    return {name: np.repeat(array[:1], count, axis=0) for name, array in inputs.items()}


def _joinable(model: Model, rows: tuple[Arrays, int], together: Any) -> bool:
    """Say whether a row's answer does not depend on the rows beside it: else requests must not be joined."""
    alone = model.predict(_repeated(rows[0], 1))
    for name, array in alone.items():
        if array.dtype.kind == "f":
            if not np.allclose(array[0], together[name][0], rtol=AGREE, atol=AGREE):
                return False
        elif array[0].tolist() != together[name][0].tolist() if array.ndim > 1 else array[0] != together[name][0]:
            return False
    return True


def loader_of(name: str) -> Load:
    """Import `module:function`.

    Raises:
        InvalidError: There is none.
    """
    module, _, attribute = name.partition(":")
    try:
        found: Load = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise InvalidError(f"there is no loader '{name}': {error}", field="loader") from error
    return found
