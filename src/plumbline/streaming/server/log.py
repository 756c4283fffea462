"""Log lines of the gateway: one line per event, with stable text that guides and alert rules can match.

`<time> <LEVEL> plumbline.gateway <event text> key=value …`
"""

from __future__ import annotations

import json
import logging
import re
import time

from plumbline.streaming.server.logwriter import LogWriter

NAME = "plumbline.gateway"
_log = logging.getLogger(NAME)
_PLAIN = re.compile(r"[^\s\"=\\]+")


def event(level: int, text: str, /, **fields: object) -> None:
    """Log one event. Its text never changes; what changes are the fields."""
    if _log.isEnabledFor(level):
        _log.log(level, "%s", " ".join([text, *(f"{key}={_shown(value)}" for key, value in fields.items())]))


def to_stderr() -> None:
    """Write the gateway's log lines to stderr, with UTC time, and without waiting for whoever reads them."""
    handler = LogWriter()
    form = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    form.converter = time.gmtime
    handler.setFormatter(form)
    _log.addHandler(handler)
    _log.setLevel(logging.INFO)
    _log.propagate = False


def dropped() -> int:
    """Return how many lines were forgotten because nobody read them."""
    return sum(handler.dropped for handler in _log.handlers if isinstance(handler, LogWriter))


def _shown(value: object) -> str:
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)
