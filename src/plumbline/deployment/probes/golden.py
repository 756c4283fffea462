"""Golden questions: requests whose right answers are known, and the same requests changed on purpose."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plumbline.deployment.probes.asking import Reply
from plumbline.evidence import UnavailableError

MOST = 24
"""Questions that are asked at most."""
TOLERANCE = 1e-3
"""A number is right within so much of the known one, absolutely or relatively: float32 on the way costs 1e-6."""

Columns = Mapping[str, tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Question:
    """A request as a table, and its right answer.

    Args:
        columns: Values by feature, in the order in which they are sent.
        datatypes: By feature, as the protocol calls them.
        together: Name of the one tensor that holds all columns side by side; None: each feature is a tensor.
        named: Whether the names of the columns are sent.
        expect: The right values, flat, by output.
        rest: What else the request holds.
    """

    columns: Columns
    datatypes: Mapping[str, str]
    together: str | None
    named: bool
    expect: Columns
    rest: Mapping[str, Any]

    def body(self, columns: Columns | None = None) -> dict[str, Any]:
        """Return the request, with other columns if some are given."""
        sent = self.columns if columns is None else columns
        if self.together is None:
            inputs = [
                {"name": name, "shape": [len(cells)], "datatype": self.datatypes[name], "data": list(cells)}
                for name, cells in sent.items()
            ]
        else:
            inputs = [self._matrix(sent, named=self.named)]
        return {**self.rest, "inputs": inputs}

    def unnamed(self) -> dict[str, Any]:
        """Return the request as one tensor without names of columns."""
        return {**self.rest, "inputs": [self._matrix(self.columns, named=False)]}

    def _matrix(self, sent: Columns, *, named: bool) -> dict[str, Any]:
        rows = [list(row) for row in zip(*sent.values(), strict=True)]
        found: dict[str, Any] = {
            "name": self.together or "input",
            "shape": [len(rows), len(sent)],
            "datatype": self.datatypes[next(iter(sent))],
            "data": [cell for row in rows for cell in row],
        }
        return found | ({"parameters": {"columns": list(sent)}} if named else {})

    def answered(self, reply: Reply) -> bool:
        """Tell whether an answer is the right one."""
        outputs = reply.outputs or {}
        return reply.given and all(
            name in outputs
            and len(outputs[name]) == len(values)
            and all(same(got, want) for got, want in zip(outputs[name], values, strict=True))
            for name, values in self.expect.items()
        )

    def finite(self, reply: Reply) -> bool:
        """Tell whether an answer has a value everywhere: nowhere NaN, an infinity or null."""
        outputs = reply.outputs or {}
        asked = [cell for name in self.expect for cell in outputs.get(name, ())] or [
            cell for cells in outputs.values() for cell in cells
        ]
        return not any(missing(cell) for cell in asked)

    @property
    def gaps(self) -> bool:
        """Whether it sends a missing value on purpose."""
        return any(missing(cell) for cells in self.columns.values() for cell in cells)


def missing(cell: Any) -> bool:
    """Tell whether a value is none: null, NaN or an infinity, also where they are written as texts."""
    if isinstance(cell, str):
        return cell.lower().lstrip("+-") in ("nan", "inf", "infinity")
    return cell is None or (isinstance(cell, float) and not math.isfinite(cell))


def same(got: Any, want: Any) -> bool:
    """Tell whether a value is the wanted one; labels may be true and false, or 1 and 0."""
    if isinstance(want, str) or isinstance(got, str) or got is None or want is None:
        return bool(got == want)
    return math.isclose(got, want, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


def questions(path: str) -> tuple[Question, ...]:
    """Read a file of golden questions.

    Raises:
        UnavailableError: It cannot be read, or a question is not of the protocol's form.
    """
    try:
        told = json.loads(Path(path).read_text(encoding="utf-8"))
        found = tuple(question(one["body"], one["expect"]) for one in told[:MOST])
    except OSError as error:
        raise UnavailableError("unreachable", f"the golden questions cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, IndexError) as error:
        sentence = f'the golden questions are no list of {{"body": …, "expect": {{output: [value, …]}}}}: {error!r}'
        raise UnavailableError("malformed", sentence) from None
    if not found:
        raise UnavailableError("malformed", "the file of golden questions holds none")
    return found


def question(body: Mapping[str, Any], expect: Mapping[str, Sequence[Any]]) -> Question:
    """Read one question.

    Raises:
        ValueError, KeyError, TypeError, IndexError: It is not of the protocol's form.
    """
    inputs = body["inputs"]
    rest = {key: value for key, value in body.items() if key != "inputs"}
    wanted = {name: tuple(flat(values)) for name, values in expect.items()}
    first = inputs[0]
    if len(inputs) == 1 and len(first["shape"]) == 2 and first["shape"][1] > 1:
        width = first["shape"][1]
        names = (first.get("parameters") or {}).get("columns")
        cells = flat(first["data"])
        called = names or [f"column {at + 1}" for at in range(width)]
        columns = {name: tuple(cells[at::width]) for at, name in enumerate(called)}
        kinds = dict.fromkeys(columns, str(first["datatype"]))
        return Question(columns, kinds, str(first["name"]), bool(names), wanted, rest)
    columns = {str(one["name"]): tuple(flat(one["data"])) for one in inputs}
    return Question(columns, {str(one["name"]): str(one["datatype"]) for one in inputs}, None, True, wanted, rest)


def flat(values: Sequence[Any]) -> list[Any]:
    """Return nested lists as one."""
    return [cell for one in values for cell in (flat(one) if isinstance(one, list | tuple) else [one])]
