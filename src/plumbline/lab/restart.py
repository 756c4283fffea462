"""`restart-NAME`, for guides' fences: restart a server of the lab, and return when it accepts connections again.

It stands for `systemctl restart NAME` on the reader's platform.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from plumbline.lab.keeper.unit import UnitError, read
from plumbline.lab.parts.server import listens
from plumbline.streaming.probes.adminclient import AdminError, ask

PATIENCE_S = 60.0


def restart(environment: Mapping[str, str], name: str = "gateway", patience_s: float = PATIENCE_S) -> str:
    """Restart it and return what happened, in one sentence.

    Raises:
        KeyError: This is no lab's environment.
        TimeoutError: It does not come back.
    """
    word = name.upper().replace("-", "_")
    pidfile, port = Path(environment[f"{word}_PIDFILE"]), int(environment[f"{word}_PORT"])
    admin = environment.get("PLUMBLINE_ADMIN" if name == "gateway" else f"{word}_ADMIN")
    before = int(pidfile.read_text())
    stop_s = read(Path(environment[f"{word}_UNIT"])).stop_s if f"{word}_UNIT" in environment else None
    _signal(before, signal.SIGTERM)
    asked = time.monotonic()
    deadline = asked + patience_s
    while time.monotonic() < deadline:
        now = int(pidfile.read_text())
        if now == before and stop_s is not None and time.monotonic() - asked >= stop_s:
            _signal(before, signal.SIGKILL)  # as systemd does after TimeoutStopSec=
        if now != before and (listens(now, port) if admin is None else _answers(admin, now, port)):
            return f"restarted: process {now}, before {before}"
        time.sleep(0.05)
    raise TimeoutError(f"the {name} did not come back within {patience_s:.0f} s; see {environment[f'{word}_LOG']}")


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):  # a crash loop: the supervisor is about to start it anyway
        os.kill(pid, number)


def _answers(admin: str, pid: int, port: int) -> bool:
    """Tell whether a gateway is back; another kind of server says on its admin socket that it is none."""
    try:
        ask(admin, {"get": "settings"})
    except AdminError as error:
        return error.kind in ("refused", "malformed") and listens(pid, port)
    return True


def main() -> int:
    """Restart a server of the lab whose environment this is: the one that is named, else the gateway."""
    name = sys.argv[1] if len(sys.argv) > 1 else "gateway"
    try:
        print(restart(os.environ, name))
    except KeyError as error:
        print(f"restart-{name}: ${error.args[0]} is not set; run this in a lab's shell", file=sys.stderr)
        return 1
    except (TimeoutError, OSError, UnitError) as error:
        print(f"restart-{name}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
