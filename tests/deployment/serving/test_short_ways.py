"""Every short way answers as the long one does: requests read by their form, and those answered while they are read."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import mock

import numpy as np
import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn.server import ServerState

from plumbline.deployment.core.manifest import Golden, Manifest
from plumbline.deployment.core.model import Arrays, Table
from plumbline.deployment.core.signature import Feature, Output, Signature
from plumbline.deployment.serving import forms, wire
from plumbline.deployment.serving.batching import Room, Runner
from plumbline.deployment.serving.checks import Checker
from plumbline.deployment.serving.columns import Columns
from plumbline.deployment.serving.direct import SMALL, written
from plumbline.deployment.serving.door import protocol
from plumbline.deployment.serving.finite import finite
from plumbline.deployment.serving.golden import Compared
from plumbline.deployment.serving.inferring import Answer, Asked, Begun, Inferring, refusal
from plumbline.deployment.serving.options import Options
from plumbline.deployment.serving.pace import Pace
from plumbline.deployment.serving.process import Server
from plumbline.deployment.serving.recent import Recent
from plumbline.deployment.serving.slots import Slot, Slots
from plumbline.deployment.serving.source import Found
from plumbline.deployment.serving.tally import Tally

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
DIGEST = "sha256:" + "a" * 64
INFER = "/v2/models/churn/infer"


class Adder:
    """Answers the sum of all numbers; NaN where one is missing."""

    def __init__(self, signature: Signature) -> None:
        self.signature = signature
        self.digest = DIGEST

    def predict(self, inputs: Arrays) -> dict[str, Any]:
        rows = len(next(iter(inputs.values())))
        total = np.zeros(rows)
        for place, name in enumerate(sorted(inputs)):
            if inputs[name].dtype.kind == "f":
                total += np.nan_to_num(inputs[name].astype(np.float64).reshape(rows)) * (place + 1)
        return {"score": total, "label": total.astype(np.int32)}

    def close(self) -> None:
        pass


def served(signature: Signature) -> tuple[Inferring, Slot, dict[str, int]]:
    pace = Pace()
    pace.note(1, 1e-6)
    model = Adder(signature)
    runner = Runner(model, ThreadPoolExecutor(1), Room(9), batch_rows=8, pace=pace)
    found = Found("1.0.0", DIGEST, Manifest("m", "onnx", "m.onnx", (), signature, Golden({}, {})))
    rows: tuple[Arrays, int] = (Table(("x",), np.ones((1, 1))), 1)
    same = Compared(True, 1, 0.0, "same")
    slot = Slot(DIGEST, found, model, runner, Checker(signature, 9), rows, same, Tally(signature, {}))
    refused: dict[str, int] = {}
    slots = Slots("m")
    slots.add(slot)
    slots._set({DIGEST: 1.0}, None)
    return Inferring("m", slots, Recent(0), refused), slot, refused


# Requests --------------------------------------------------------------------------------------------------------

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


def long_way(inferring: Inferring, body: bytes) -> Answer | Begun:
    with mock.patch.object(forms, "request_of", wire.request_of):
        return inferring.begin(body, Asked())


def check_both_ways(signature: Signature, sent: list[bytes]) -> None:
    (short, slot, refused), (long, other, also) = served(signature), served(signature)
    for body in [one for again in sent for one in (again, again)]:  # the second one may be of a known form
        assert short.begin(body, Asked()) == long_way(long, body), body
    assert (slot.flying, slot.asked) == (other.flying, other.asked) == (0, 0)
    assert (slot.tally.outcomes, slot.tally.rows, refused) == (other.tally.outcomes, other.tally.rows, also)
    assert slot.tally.missing() == other.tally.missing()


@settings(deadline=None, max_examples=60)
@given(st.lists(bodies(SIGNATURE), min_size=1, max_size=4))
def test_requests_of_all_kinds_get_the_same_answer_by_their_form_and_the_long_way(sent):
    check_both_ways(SIGNATURE, sent)


@settings(deadline=None, max_examples=60)
@given(st.lists(bodies(NUMBERS) | bodies(OPEN), min_size=2, max_size=5))
def test_requests_of_numbers_get_the_same_answer_by_their_form_and_the_long_way(sent):
    check_both_ways(NUMBERS, sent)
    check_both_ways(OPEN, sent)


def _named(**columns: tuple[str, list[Any]]) -> bytes:
    inputs = [{"name": n, "shape": [len(d)], "datatype": t, "data": d} for n, (t, d) in columns.items()]
    return wire.encoded({"inputs": inputs})


RIGHT = _named(balance=("FP32", [1.5]), age=("INT64", [40]), active=("BOOL", [True]))
MATRIX = {"name": "x", "shape": [1, 3], "datatype": "FP64", "parameters": {"columns": ["balance", "age", "active"]}}


@pytest.mark.parametrize(
    "body", [RIGHT, *(wire.encoded({"inputs": [MATRIX | {"data": data}]}) for data in ([1.5, 40, 1], [[None, 40, 0]]))]
)
def test_a_form_that_came_before_is_read_without_the_checker(body):
    inferring, slot, _ = served(NUMBERS)
    first = inferring.begin(body, Asked())
    with mock.patch.object(slot.checker, "inputs", side_effect=AssertionError):
        assert inferring.begin(body, Asked()) == first


def test_whoever_sends_ever_new_forms_does_not_shut_out_the_others():
    inferring, slot, _ = served(NUMBERS)
    for number in range(forms.MOST + 2):
        parameters = MATRIX["parameters"] | {"n": number}  # type: ignore[operator] # a dictionary
        inferring.begin(wire.encoded({"inputs": [MATRIX | {"parameters": parameters, "data": [1, 2, 0]}]}), Asked())
    body = wire.encoded({"inputs": [MATRIX | {"data": [1, 2, 0]}]})
    inferring.begin(body, Asked())
    with mock.patch.object(slot.checker, "inputs", side_effect=AssertionError):
        assert isinstance(inferring.begin(body, Asked()), Answer)


FLOATS = st.floats() | st.sampled_from([1.7e308, -1.7e308])


@given(st.lists(FLOATS, min_size=1, max_size=80))
def test_a_sum_finds_whatever_is_not_finite_and_nothing_else(values):
    array = np.array(values)
    assert (finite({"y": array}) is None) == bool(np.isfinite(array).all())
    plan = Columns(OPEN, ("a",), ("a", "b", "c"))
    assert plan._inside(array.reshape(-1, 1)) or not np.isfinite(array).all() or not np.isfinite(sum(values))
    if plan._inside(array.reshape(-1, 1)):
        assert np.isfinite(array).all()


def test_one_slow_request_is_forgiven_and_two_in_a_row_are_not():
    _, slot, _ = served(OPEN)
    runner, inputs = slot.runner, Table(("a", "b", "c"), np.ones((1, 3)))
    runner.took(1, 0.1)
    runner.took(1, 1e-5)
    runner.took(1, 0.1)
    assert runner.at_once(inputs, 1) is not None
    runner.took(1, 0.1)
    assert runner.at_once(inputs, 1) is None


# Connections -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(options: Callable[..., Options]) -> Iterator[Server]:
    with Server(options(max_body=200_000, max_rows=5000)) as running:
        yield running


def post(path: str, body: bytes, *headers: str, length: int | None = None) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "host: a", f"content-length: {len(body) if length is None else length}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def answers(link: socket.socket, count: int) -> list[bytes]:
    """Read so many responses; fewer, if the server closes."""
    found, buffer = [], b""
    while len(found) < count:
        head, end, rest = buffer.partition(b"\r\n\r\n")
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]) if end else 0
        if end and len(rest) >= length:
            found.append(head + end + rest[:length])
            buffer = rest[length:]
            continue
        piece = link.recv(1 << 16)
        if not piece:
            break
        buffer += piece
    return found


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_over_one_connection_both_ways_write_the_same_bytes(server, data):
    signature = Signature((Feature("age", "int"), Feature("balance", nullable=True)), SIGNATURE.outputs)
    wanted = data.draw(st.lists(st.tuples(bodies(signature), st.booleans()), min_size=1, max_size=4))
    # A query goes the ordinary way, and changes nothing besides.
    sent = b"".join(post(INFER + ("?a" if ordinary else ""), body) for body, ordinary in wanted)
    plain = b"".join(post(INFER + "?a", body) for body, _ in wanted)
    cut = data.draw(st.integers(0, len(sent)))
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=30) as one,
        socket.create_connection(("127.0.0.1", server.port), timeout=30) as other,
    ):
        one.sendall(sent[:cut])
        one.sendall(sent[cut:])
        other.sendall(plain)
        assert answers(one, len(wanted)) == answers(other, len(wanted))


def test_large_bodies_closed_connections_and_other_headers_go_the_ordinary_way(server):
    rows = 4000
    large = _named(age=("INT64", [40] * rows), balance=("FP64", [1.25] * rows))
    small = _named(age=("INT64", [40]), balance=("FP64", [1.25]))
    assert len(large) > SMALL / 3
    large = large + b" " * SMALL
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as link:
        link.sendall(post(INFER, large) + post(INFER, small))
        first, second = answers(link, 2)
        assert first.count(b"0.4") >= 1
        assert second.startswith(b"HTTP/1.1 200 OK")
        link.sendall(post(INFER, small, "expect: 100-continue", "x-request-key: a"))
        assert link.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert answers(link, 1)[0].startswith(b"HTTP/1.1 200 OK")
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as link:
        link.sendall(post(INFER, small, "connection: close"))
        [last] = answers(link, 2)
        assert b"connection: close" in last
    status = server.ask("status")
    assert [one["inflight"] for one in status["versions"].values()] == [0]


def test_a_request_whose_body_comes_while_the_server_leaves_is_answered(options):
    body = _named(age=("INT64", [40]), balance=("FP64", [1.25]))
    sent = post(INFER, body)
    with Server(options(drain_grace_s=0.0)) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as link:
            link.sendall(post(INFER, body) + sent[:-20])
            assert len(answers(link, 1)) == 1
            server.ask("drain")
            with contextlib.suppress(OSError):  # until it does not listen any more
                while True:
                    socket.create_connection(("127.0.0.1", server.port), timeout=30).close()
            link.sendall(sent[-20:])
            [last] = answers(link, 2)
        assert b"200 OK" in last
        assert b"connection: close" in last


def connection(begin: Any, keep_alive_s: float = 0.05) -> tuple[Any, mock.Mock]:
    config = uvicorn.Config(mock.Mock(), lifespan="off", log_config=None, ws="none", loop="asyncio")
    config.timeout_keep_alive = keep_alive_s  # type: ignore[assignment] # uvicorn asks for whole seconds
    transport = mock.Mock()
    transport.is_closing.return_value = False
    transport.get_extra_info.return_value = None
    door = protocol(9, 30, INFER, begin)(config, ServerState(), {})  # type: ignore[call-arg] # as uvicorn does
    door.connection_made(transport)
    return door, transport


def test_a_connection_on_which_nothing_comes_any_more_is_closed():
    async def work() -> None:
        door, transport = connection(lambda _body, _headers: Answer(200, b"{}", b"1.0.0+a"))
        closed = asyncio.get_running_loop().create_future()
        transport.close.side_effect = lambda: closed.done() or closed.set_result(None)
        for _ in range(3):
            door.data_received(post(INFER, b"{}"))
        assert not closed.done()
        assert transport.write.call_count == 3
        await asyncio.wait_for(closed, 20)
        door.data_received(post(INFER, b"{}"))
        door.connection_lost(None)
        assert door._idle is None

    asyncio.run(work())


def test_a_connection_on_which_something_still_comes_is_not_closed():
    async def work() -> None:
        door, transport = connection(lambda _body, _headers: Answer(200, b"{}", b"1.0.0+a"), keep_alive_s=30)
        door.data_received(post(INFER, b"{}"))
        door.data_received(post(INFER, b"{", length=2))
        door._answered_at = -1e9
        door._look()
        assert not transport.close.called
        door.data_received(b"}")
        assert transport.write.call_count == 2
        door._answered_at = -1e9
        door._look()
        assert transport.close.called
        door.connection_lost(None)

    asyncio.run(work())


def test_refusals_are_written_as_uvicorn_writes_them():
    answer = refusal(wire.MalformedError("no", retry_after_s=3))
    answer.version = b"1.0.0+a"
    body = answer.body
    assert written(answer) == (
        b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
        b"retry-after: 3\r\nx-model-version: 1.0.0+a\r\n\r\n%b" % (len(body), body)
    )


def test_shares_are_kept_though_one_version_is_slow():
    inferring, quick, _ = served(OPEN)
    slow = served(OPEN)[1]
    slow.key = "sha256:" + "b" * 64
    slow.runner.pace = Pace()
    slots = inferring._slots
    slots._chance = random.Random(7)
    slots.add(slow)
    asyncio.run(slots.share({quick.key: 0.5, slow.key: 0.5}, None, 1))
    body = _named(a=("FP64", [1]), b=("FP64", [1]), c=("FP64", [1]))
    begun = [inferring.begin(body, Asked()) for _ in range(400)]
    assert 150 < sum(isinstance(one, Begun) for one in begun) < 250
    assert slow.flying == sum(isinstance(one, Begun) for one in begun)
    assert quick.flying == 0
