"""The gateway of a lab: one process, or workers under their supervisor."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from plumbline.lab.parts.host import Host, Process, toml

DRAIN_S = 1.0
"""Time over which a lab's gateway lets its clients go unless its topology says another, in seconds: they are few."""


class GatewayPart(Process):
    """The gateway process; a restart keeps port, admin socket and files, not the pid.

    Args:
        host: The lab.
        settings: Its settings at start.
        name: `gateway`, or that of a further one.
        workers: Number of workers under a supervisor, or `"1..3"`; None for one process.
        policy: The autoscaler's policy; None for the default.
        options: Further words of its command line.
    """

    def __init__(
        self,
        host: Host,
        settings: Mapping[str, Any],
        *,
        name: str = "gateway",
        workers: int | str | None = None,
        policy: Mapping[str, Any] | None = None,
        options: Sequence[str] = (),
    ) -> None:
        super().__init__(host, name, f"{name}.toml")
        self.scheme = "wss" if settings.get("tls_cert") else "ws"
        self._settings = {"drain_s": DRAIN_S, **settings}
        self._options = [*(["--workers", str(workers)] if workers else []), *options]
        self._policy = policy
        self.policy_file = host.folder / f"{name}-policy.yaml"
        self.admin = host.folder / ("admin.sock" if name == "gateway" else f"{name}.sock")
        self.unit = host.folder / f"{name}.service.d"
        self._out = host.folder / f"{name}.out"

    @property
    def title(self) -> str:
        """How a sentence calls it."""
        return f"the {self.name}"

    @property
    def metrics(self) -> str:
        """Address of its Prometheus metrics: a supervisor has a port of its own for them."""
        told = str(self._said().get("metrics", ""))
        return told or f"http{'s' if self.scheme == 'wss' else ''}://127.0.0.1:{self.port}/metrics"

    def start(self, *, unit: str, restart_s: float | None) -> None:
        """Write configuration and unit, start it, and wait until it accepts connections.

        Raises:
            LabError: It ends before that; its last words are in the sentence.
        """
        self.config.write_text(toml(self._settings))
        if self._policy is not None:
            self.policy_file.write_text(yaml.safe_dump(dict(self._policy), sort_keys=False))
            self._options += ["--autoscale", str(self.policy_file)]
        self.unit.mkdir()
        (self.unit / "10-lab.conf").write_text(unit)
        argv = [sys.executable, "-m", "plumbline.streaming", "--listen", f"127.0.0.1:{self.port}"]
        argv += ["--admin", str(self.admin), "--config", str(self.config), *self._options]
        self._lab.launch(
            self.name,
            argv,
            stdout=str(self._out),
            stderr=str(self.log),
            pidfile=str(self.pidfile),
            unit=str(self.unit),
            restart_s=restart_s,
            **self._lab.groups_of(self.name),
        )
        self._until_ready(1)

    def restart(self, **settings: Any) -> None:
        """Change the configuration file, restart, and wait until it accepts connections again.

        Raises:
            LabError: It does not come back.
        """
        self._settings |= settings
        self.config.write_text(toml(self._settings))
        before = self.starts
        self._lab.link.ask("stop", name=self.name, again=True)
        self._until_ready(before + 1)

    def _until_ready(self, starts: int) -> None:
        self._lab.until(
            lambda: self.started(starts) and self._said().get("pid") == self.pid, f"{self.title} accepts connections"
        )

    def _said(self) -> dict[str, Any]:
        """Return its line that says it is ready; empty before."""
        try:
            ready = json.loads(Path(self._out).read_text() or "{}")
        except (OSError, ValueError):  # half a line
            return {}
        return ready if ready.get("event") == "ready" else {}

    def environment(self) -> dict[str, str]:
        """The variables of the fences, by the part's name."""
        word = self.name.upper().replace("-", "_")
        admin = "PLUMBLINE_ADMIN" if self.name == "gateway" else f"{word}_ADMIN"
        policy = {} if self._policy is None else {f"{word}_POLICY": str(self.policy_file)}
        return super().environment() | {admin: str(self.admin), f"{word}_UNIT": str(self.unit)} | policy
