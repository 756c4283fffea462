"""Is an answer the right one? Judged by what the question's author knows, not by what the server says of itself."""

from __future__ import annotations

import json
from typing import Any

from plumbline.lab.service import Asked


def right(answer: bytes, asked: Asked) -> bool:
    """Compare the outputs of an answer with those expected; what cannot be read, or is missing, is wrong.

    Args:
        answer: Body in the form of the Open Inference Protocol, version 2.
        asked: The question; one that expects nothing is content with any answer.
    """
    if not asked.expect:
        return True
    try:
        outputs = {one["name"]: one["data"] for one in json.loads(answer)["outputs"]}
    except (ValueError, KeyError, TypeError):
        return False
    return all(
        name in outputs
        and len(outputs[name]) == len(values)
        and all(_same(got, value, asked.tolerance) for got, value in zip(outputs[name], values, strict=True))
        for name, values in asked.expect.items()
    )


def _same(got: Any, value: Any, tolerance: float) -> bool:
    if isinstance(value, float):
        return isinstance(got, int | float) and abs(got - value) <= tolerance  # not a number: no comparison holds
    return bool(got == value)
