"""Holds a model's lease while something is deployed: renewed in the background, and its loss is noticed."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from plumbline.deployment.core.errors import ConflictError, DeploymentError, FencedError
from plumbline.deployment.pipeline.ports import Lease, Registry

TTL_S = 30.0
"""How long a deployer that hangs or whose machine is gone keeps others away."""


class Held:
    """A context: within it the model is this holder's to deploy.

    Args:
        registry: Gives the lease.
        model: The model's name.
        holder: Who asks; the same holder gets it again at once, with a new epoch.
        ttl_s: How long the lease lasts without being renewed.
        gone: Says whether another holder is known to be gone: what it left behind is not waited for.

    Raises:
        ConflictError: Another holder has it.
    """

    def __init__(
        self,
        registry: Registry,
        model: str,
        holder: str,
        ttl_s: float = TTL_S,
        gone: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._registry = registry
        self._ttl_s = ttl_s
        self._lease: Lease = _taken(registry, model, holder, ttl_s, gone)
        self.epoch = self._lease.epoch
        self._over = threading.Event()
        self._lost: DeploymentError | None = None
        self._thread = threading.Thread(target=self._keep, name=f"lease of {model}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        if kind is None or issubclass(kind, Exception | KeyboardInterrupt | SystemExit):
            with contextlib.suppress(DeploymentError):  # it runs out by itself
                self._registry.release(self._lease)

    def check(self) -> None:
        """Say that the lease is lost, if it is.

        Raises:
            FencedError: Another deployer has taken over.
        """
        if self._lost is not None:
            raise FencedError(self._lost.sentence, **self._lost.data)

    def _keep(self) -> None:
        while not self._over.wait(self._ttl_s / 3):
            try:
                self._lease = self._registry.renew(self._lease, self._ttl_s)
            except ConflictError as error:
                self._lost = error
                return
            except DeploymentError:
                continue  # the registry may be back before the lease runs out; whoever takes over fences us


def _taken(registry: Registry, model: str, holder: str, ttl_s: float, gone: Callable[[str], bool]) -> Lease:
    try:
        return registry.lease(model, holder, ttl_s)
    except ConflictError as error:
        left = error.data.get("holder")
        if not isinstance(left, str) or not gone(left):
            raise
    registry.release(registry.lease(model, left, ttl_s))  # as it would have done; whoever comes between us wins
    return registry.lease(model, holder, ttl_s)
