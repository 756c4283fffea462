"""The artefact lane: servers that swap the model inside the process, one or several, commanded on their admin sockets.

With several servers a switch is prepare-all, then flip-all. If one of them refuses or does not answer, those that were
flipped are flipped back: callers never meet two versions because half of a switch failed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from plumbline.deployment.core.errors import DeploymentError, FencedError, InvalidError, UnavailableError
from plumbline.deployment.core.lanes import Serving

TIMEOUT_S = 60.0
"""How long a command may take: a large model is loaded and warmed within it."""

Ask = Callable[[Path, dict[str, Any], float], dict[str, Any]]
"""Sends one command to a server; raises its refusal."""


class ArtefactLane:
    """All servers of one model.

    Args:
        admin_paths: Their admin sockets.
        timeout_s: How long a command may take.
        ask: Sends a command; the server's own client if None.

    Raises:
        InvalidError: No socket.
    """

    def __init__(
        self, admin_paths: Sequence[str | Path], *, timeout_s: float = TIMEOUT_S, ask: Ask | None = None
    ) -> None:
        if not admin_paths:
            raise InvalidError("a lane needs the admin socket of at least one server")
        self._paths = tuple(Path(path) for path in admin_paths)
        self._timeout_s = timeout_s
        self._given = ask

    def serving(self) -> Serving:
        """Ask all servers; see `core.lanes.Lane`. Shares are the mean over the servers that answer."""
        alive = self._alive()
        if not alive:
            raise UnavailableError(f"no server answers: {', '.join(map(str, self._paths))}")
        shares: dict[str, float] = {}
        for state in alive.values():
            for name, share in state["shares"].items():
                shares[name] = shares.get(name, 0.0) + share / len(alive)
        ready = frozenset.intersection(*(frozenset(state["ready"]) for state in alive.values()))
        return Serving(shares, max(state["epoch"] for state in alive.values()), ready)

    def prepare(self, digest: str, *, epoch: int) -> None:
        """Load a version on every server; see `core.lanes.Lane`. If one cannot, the others let go of it."""
        states = self._all(epoch)
        fresh: list[Path] = []
        for path in self._paths:
            try:
                self._tell(path, "prepare", digest=digest, epoch=epoch)
            except DeploymentError as error:
                for other in fresh:
                    with contextlib.suppress(DeploymentError):
                        self._tell(other, "retire", digest=digest, epoch=epoch)
                raise self._at(path, error) from error
            if digest not in states[path]["ready"]:
                fresh.append(path)

    def share(self, shares: dict[str, float], *, epoch: int) -> None:
        """Set the shares on every server that runs; see `core.lanes.Lane`. All of them switch, or none.

        A server whose process is gone serves nothing, and starts with what the alias says: it is passed over.
        """
        states = self._alive()
        self._unfenced(states, epoch)
        if not states:
            raise UnavailableError(f"no server answers: {', '.join(map(str, self._paths))}")
        for path, state in states.items():
            missing = [name for name, part in shares.items() if part > 0 and name not in state["ready"]]
            if missing:
                raise InvalidError(f"{path}: {', '.join(missing)} is not ready; nothing was switched", path=str(path))
        for number, path in enumerate(states):
            try:
                self._tell(path, "share", shares=shares, epoch=epoch)
            except DeploymentError as error:
                # This one, too: a server that was too slow to answer may have switched.
                back = {one: states[one]["shares"] for one in list(states)[: number + 1]}
                raise self._at(path, error, self._switch_back(back, epoch)) from error

    def retire(self, digest: str, *, epoch: int) -> None:
        """Let every server that runs let go of a version; see `core.lanes.Lane`."""
        states = self._alive()
        self._unfenced(states, epoch)
        for path in states:
            try:
                self._tell(path, "retire", digest=digest, epoch=epoch)
            except DeploymentError as error:
                raise self._at(path, error) from error

    def _switch_back(self, before: dict[Path, dict[str, float]], epoch: int) -> str:
        stuck = []
        for path, shares in before.items():
            if shares:
                try:
                    self._tell(path, "share", shares=shares, epoch=epoch)
                except DeploymentError as error:
                    stuck.append(f"{path} ({error.sentence})")
        if stuck:
            return f"; switched back but for {', '.join(stuck)}"
        return "; nothing is switched" if len(before) == 1 else "; the others were switched back"

    def _all(self, epoch: int) -> dict[Path, dict[str, Any]]:
        """Return every server's state; each must answer, and none have seen a newer deployer."""
        states = {}
        for path in self._paths:
            try:
                states[path] = self._tell(path, "status")
            except DeploymentError as error:
                raise self._at(path, error) from error
        self._unfenced(states, epoch)
        return states

    def _alive(self) -> dict[Path, dict[str, Any]]:
        """Return the state of every server whose process runs; one that runs and does not answer is an error."""
        states = {}
        for path in self._paths:
            try:
                states[path] = self._tell(path, "status")
            except UnavailableError as error:
                if not isinstance(error.__cause__, ConnectionRefusedError | FileNotFoundError):
                    raise self._at(path, error) from error
        return states

    def _unfenced(self, states: dict[Path, dict[str, Any]], epoch: int) -> None:
        for path, state in states.items():
            if state["epoch"] > epoch:
                raise FencedError(
                    f"{path}: epoch {epoch} is older than {state['epoch']}: another deployer has taken over",
                    epoch=epoch,
                    highest=state["epoch"],
                )

    def _tell(self, path: Path, verb: str, **command: Any) -> dict[str, Any]:
        ask = self._given
        if ask is None:
            from plumbline.deployment.serving.admin import ask as sent

            ask = sent
        return ask(path, {"verb": verb, **command}, self._timeout_s)

    def _at(self, path: Path, error: DeploymentError, more: str = "") -> DeploymentError:
        """Return the same error with the server's place in its sentence."""
        said = error.sentence if str(path) in error.sentence else f"{path}: {error.sentence}"
        return type(error)(f"{said}{more}", **{**error.data, "path": str(path)})
