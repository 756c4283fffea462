"""Bodies of inference requests, right ones and all kinds of wrong ones, for tests that compare two ways to answer."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from plumbline.deployment.core.signature import Feature, Output, Signature
from plumbline.deployment.serving import wire

SIGNATURE = Signature(
    (
        Feature("balance", nullable=True),
        Feature("age", "int", minimum=0, maximum=130),
        Feature("active", "bool"),
        Feature("ratio", required=False, default=0.5),
        Feature("plan", "string", required=False, default="basic"),
    ),
    (Output("score"), Output("label", "int")),
)
NUMBERS = Signature(SIGNATURE.inputs[:4], SIGNATURE.outputs)
OPEN = Signature((Feature("a"), Feature("b"), Feature("c", nullable=True)), SIGNATURE.outputs)


DATATYPES = {"float": "FP32", "int": "INT64", "bool": "BOOL", "string": "BYTES"}
GOOD = {
    "float": st.floats(-1e6, 1e6) | st.integers(-5, 5),
    "int": st.integers(0, 130),
    "bool": st.booleans(),
    "string": st.sampled_from(["basic", ""]),
}
# Written as they stand: what a JSON library would never send.
_WORDS = "null true false 1.5 1.0 -0 -0.0 1e2 1E400 -1e999 9007199254740993 1e308 NaN 00 1. [1] [] {} 200 4e-324"
_TEXTS = ['"x"', '"1"', '"\\ud800"', '"\\x"', " 7 ", "9" * 400, "18446744073709551617", "-9007199254740993"]
ODD = st.sampled_from([*_WORDS.split(), *_TEXTS])


@st.composite
def cells(draw: Any, kind: str, count: int) -> list[str]:
    values = [json.dumps(draw(GOOD[kind])) for _ in range(count)]
    if draw(st.integers(0, 3)) == 0 and values:
        values[draw(st.integers(0, count - 1))] = draw(ODD)
    return values


def tensor(name: str, shape: Any, datatype: str, data: str, parameters: str | None) -> str:
    more = "" if parameters is None else f',"parameters":{parameters}'
    return f'{{"name":{json.dumps(name)},"shape":{shape},"datatype":"{datatype}"{more},"data":{data}}}'


ODD_SHAPES = st.sampled_from(["[]", "[0]", "[-1]", "[2,2]", "[1,1,1]", "[3]", "[1.5]", "7", "[10]", "[1,0]", "null"])
ODD_PARAMETERS = st.sampled_from(
    ["{}", "null", "[]", '{"columns":null}', '{"columns":["age"]}', '{"a":"\\ud800"}', '{"columns":[["a"]]}']
)


def _maybe(draw: Any, odd: Any, else_: Any) -> Any:
    return draw(odd) if draw(st.integers(0, 7)) == 0 else else_


@st.composite
def named(draw: Any, signature: Signature) -> str:
    rows = draw(st.integers(1, 3))
    features = [one for one in signature.inputs if one.required or draw(st.booleans())]
    upright = draw(st.booleans())
    tensors = []
    for one in features:
        kind = _maybe(draw, st.sampled_from(sorted(DATATYPES)), one.kind)
        values = draw(cells(one.kind, rows))
        data = ",".join(f"[{cell}]" if upright and draw(st.booleans()) else cell for cell in values)
        shape = _maybe(draw, ODD_SHAPES, f"[{rows},1]" if upright else f"[{rows}]")
        tensors.append(tensor(one.name, shape, DATATYPES[kind], f"[{data}]", _maybe(draw, ODD_PARAMETERS, None)))
    for _ in range(_maybe(draw, st.integers(0, 2), 0)):
        tensors.append(draw(st.sampled_from(tensors)))
    return ",".join(_maybe(draw, st.permutations(tensors), tensors))


@st.composite
def matrix(draw: Any, signature: Signature) -> str:
    rows = draw(st.integers(1, 3))
    features = [one for one in signature.inputs if one.kind != "string" and (one.required or draw(st.booleans()))]
    values = [draw(cells("float" if one.kind == "float" else "int", rows)) for one in features]
    lines = [[column[row] for column in values] for row in range(rows)]
    flat = ",".join(",".join(line) for line in lines)
    nested = ",".join(f"[{','.join(line)}]" for line in lines)
    data = _maybe(draw, st.just(f"[{flat},1]"), draw(st.sampled_from([f"[{flat}]", f"[{nested}]", f" [ {nested}]"])))
    columns = json.dumps({"columns": [one.name for one in features]})
    shape = _maybe(draw, ODD_SHAPES, f"[{rows},{len(features)}]")
    datatype = draw(st.sampled_from(["FP64", "FP32", "INT32", "FP64"]))
    return tensor("x", shape, datatype, data, _maybe(draw, ODD_PARAMETERS, columns))


@st.composite
def bodies(draw: Any, signature: Signature) -> bytes:
    inputs = draw(named(signature) | matrix(signature))
    more = draw(st.sampled_from(["", "", ',"id":"a"', ',"id":7', ',"outputs":[{"name":"label"}]']))
    more += draw(st.sampled_from(["", "", ',"outputs":[{"name":"no"}]', ',"parameters":{}', ',"parameters":[]']))
    body = bytearray(f'{{"inputs":[{inputs}]{more}}}'.encode("utf-8", "surrogatepass"))
    if draw(st.integers(0, 5)) == 0:
        body[draw(st.integers(0, len(body) - 1))] = draw(st.sampled_from(b'\xff"{}[],:0x\x00 '))
    return bytes(body)


def columns(**columns: tuple[str, list[Any]]) -> bytes:
    inputs = [{"name": n, "shape": [len(d)], "datatype": t, "data": d} for n, (t, d) in columns.items()]
    return wire.encoded({"inputs": inputs})
