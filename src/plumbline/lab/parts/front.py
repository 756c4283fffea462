"""HAProxy in front of a gateway."""

from __future__ import annotations

import os
import signal

from plumbline.lab.errors import LabError
from plumbline.lab.logs import tail
from plumbline.lab.parts.host import Host, Process


class FrontPart(Process):
    """HAProxy in master-worker mode, as a distribution's service unit runs it."""

    scheme = "ws"

    def __init__(self, host: Host, text: str) -> None:
        super().__init__(host, "haproxy", "haproxy.cfg")
        self._text = text

    def start(self) -> None:
        """Write the configuration and start it.

        Raises:
            LabError: It refuses the configuration; its words are in the sentence.
        """
        self.config.write_text(self._text)
        argv = ["haproxy", "-W", "-f", str(self.config)]
        self._lab.launch(self.name, argv, stdout=os.devnull, stderr=str(self.log), pidfile=str(self.pidfile))
        self._lab.until(self._ready, "HAProxy has read its configuration")

    def _ready(self) -> bool:
        if not self.running:
            raise LabError(f"HAProxy does not start: {tail(self.log)}")
        return self._loads() > 0

    def _loads(self) -> int:
        """Count how often a worker was made; the master says so in one stable line."""
        return self.log.read_text(errors="replace").count("Loading success") if self.log.exists() else 0

    def reload(self, text: str | None = None) -> None:
        """Write the configuration, if one is given, and reload it; old workers finish what they have.

        Raises:
            LabError: HAProxy does not take it.
        """
        if text is not None:
            self.config.write_text(text)
        before = self._loads()
        os.kill(self.pid, signal.SIGUSR2)
        self._lab.until(lambda: self._loads() > before or not self.running, "HAProxy has reloaded")
        if not self.running:
            raise LabError(f"HAProxy ended on reload: {tail(self.log)}")

    def environment(self) -> dict[str, str]:
        """The variables of the fences."""
        return {
            "FRONT_PORT": str(self.port),
            "FRONT_URL": self.url,
            "HAPROXY_CFG": str(self.config),
            "HAPROXY_PID": str(self.pid),
            "HAPROXY_PIDFILE": str(self.pidfile),
            "HAPROXY_LOG": str(self.log),
        }
