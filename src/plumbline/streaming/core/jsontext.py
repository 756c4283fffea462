"""JSON text as the gateway writes it: compact, UTF-8, never with a constant that JSON does not know."""

from __future__ import annotations

import json
from typing import Any

_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_escaped = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode


def to_json(value: Any) -> bytes:
    """Return JSON text on one line.

    Raises:
        ValueError: It holds NaN or an infinity.
        TypeError: It holds something without a JSON form.
        RecursionError: It is nested too deeply.
    """
    try:
        return _compact(value).encode()
    except UnicodeEncodeError:  # half of a surrogate pair: JSON can say it only as an escape
        return _escaped(value).encode()


def encode_data(data: Any) -> bytes:
    """Return JSON text of a value.

    Raises:
        ValueError: It has no JSON form (NaN, an object, too deep).
    """
    try:
        return to_json(data)
    except TypeError as error:
        raise ValueError(str(error)) from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
