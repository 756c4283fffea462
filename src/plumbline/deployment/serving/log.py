"""Log lines of the server: stable text that guides and alert rules can match, then `key=value`.

`<time> <LEVEL> plumbline.server <event text> key=value …`
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time

NAME = "plumbline.server"
_log = logging.getLogger(NAME)
_PLAIN = re.compile(r"[^\s\"=\\]+")


def event(level: int, text: str, /, **fields: object) -> None:
    """Log one event. Its text never changes; what changes are the fields."""
    if _log.isEnabledFor(level):
        _log.log(level, "%s", " ".join([text, *(f"{key}={_shown(value)}" for key, value in fields.items())]))


def to_stderr() -> None:
    """Write the server's lines, and warnings of the HTTP machinery, to standard error with UTC time."""
    form = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    form.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(form)
    for name, level in ((NAME, logging.INFO), ("uvicorn", logging.ERROR)):
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(level)
        logger.propagate = False


def _shown(value: object) -> str:
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)
