"""`restart-gateway`, for guides' fences: restart the lab's gateway, and return when it accepts connections again.

It stands for `systemctl restart gateway` on the reader's platform.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from plumbline.streaming.probes.adminclient import AdminError, ask

PATIENCE_S = 60.0


def restart(environment: Mapping[str, str], patience_s: float = PATIENCE_S) -> str:
    """Restart it and return what happened, in one sentence.

    Raises:
        KeyError: This is no lab's environment.
        TimeoutError: It does not come back.
    """
    pidfile, admin = Path(environment["GATEWAY_PIDFILE"]), environment["PLUMBLINE_ADMIN"]
    before = int(pidfile.read_text())
    with contextlib.suppress(ProcessLookupError):  # a crash loop: the supervisor is about to start it anyway
        os.kill(before, signal.SIGTERM)
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if (now := int(pidfile.read_text())) != before and _answers(admin):
            return f"restarted: process {now}, before {before}"
        time.sleep(0.05)
    raise TimeoutError(f"the gateway did not come back within {patience_s:.0f} s; see {environment['GATEWAY_LOG']}")


def _answers(admin: str) -> bool:
    try:
        ask(admin, {"get": "settings"})
    except AdminError:
        return False
    return True


def main() -> int:
    """Restart the gateway of the lab whose environment this is."""
    try:
        print(restart(os.environ))
    except KeyError as error:
        print(f"restart-gateway: ${error.args[0]} is not set; run this in a lab's shell", file=sys.stderr)
        return 1
    except (TimeoutError, OSError) as error:
        print(f"restart-gateway: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
