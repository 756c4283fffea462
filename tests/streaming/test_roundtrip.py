"""The fan-out probe: real servers of three kinds, and servers that refuse, are silent, forget readers or hang up."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from plumbline.diagnosis.collect import described
from plumbline.evidence import Endpoint, ProbeChannel, UnavailableError
from plumbline.streaming.evidence_roundtrip import RoundTrip, trip_from_url
from plumbline.streaming.probes import roundtrip
from plumbline.streaming.probes.roundtrip import PROBE_BYTES, Reader, Run, counted, measure, plan_of, times

OURS = ProbeChannel(publish='{"publish":"probe","data":"{probe}"}', subscribe='{"subscribe":"probe"}')
NATS = ProbeChannel(publish="PUB probe {probe_bytes}\r\n{probe}\r\n", subscribe="SUB probe 1\r\n")
WORD = re.compile(r"[0-9a-f]{16}")
SHORT_S = 0.2  # patience: six messages, and 1.5 s for what is missing


class Broadcaster:
    """Sends whatever it is sent to all of its clients but those that are spared: 0 is who sent it."""

    def __init__(self, spare: Callable[[int, int], bool] = lambda _reader, _message: False) -> None:
        self.clients: list[ServerConnection] = []
        self.heard: list[str] = []
        self.spare = spare

    def __call__(self, connection: ServerConnection) -> None:
        self.clients.append(connection)
        with contextlib.suppress(ConnectionClosed):
            for text in connection:
                self.heard.append(str(text))
                for reader, one in enumerate([connection, *(one for one in self.clients if one is not connection)]):
                    if not self.spare(reader, len(self.heard) - 1):
                        with contextlib.suppress(ConnectionClosed):
                            one.send(text)


@contextlib.contextmanager
def server(
    talk: Callable[[ServerConnection], None], channel: ProbeChannel | None = None, **options: object
) -> Iterator[Endpoint]:
    """Serve on a free port."""
    with serve(talk, "127.0.0.1", 0, ping_interval=None, compression=None, close_timeout=0.1, **options) as running:  # type: ignore[arg-type]
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        try:
            port = running.socket.getsockname()[1]
            yield Endpoint(
                "toy", f"ws://127.0.0.1:{port}", patience_s=SHORT_S, fanout=channel or ProbeChannel("{probe}")
            )
        finally:
            running.shutdown()
            thread.join()


def test_all_readers_of_our_gateway_get_all_messages(start) -> None:
    endpoint = Endpoint("ours", url=start().url, patience_s=SHORT_S, fanout=OURS)
    seen = trip_from_url(endpoint)
    assert (seen.readers, seen.published, seen.arrived) == (20, 5, 100)
    assert (seen.lost, seen.nowhere, seen.outstanding, seen.silent, seen.ended) == (0, 0, 0, 0, 0)
    assert 0 < seen.p50_s <= seen.last_reader_s
    assert seen.p50_s <= seen.p99_s
    assert seen.round_trip_s > 0


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[str]:
    with contextlib.ExitStack() as free:
        ports = [free.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in range(2)]
    config = tmp_path / "nats.conf"
    config.write_text(
        f'listen: "127.0.0.1:{ports[0]}"\nwebsocket {{ listen: "127.0.0.1:{ports[1]}", no_tls: true }}\n'
        "authorization { token: s3cret-of-nats }\n"
    )
    child = subprocess.Popen(
        [Path(sys.executable).parent / "nats-server", "-c", config, "-l", tmp_path / "log"], stderr=subprocess.DEVNULL
    )
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", ports[1]), 1):
            break
        time.sleep(0.02)
    yield f"ws://127.0.0.1:{ports[1]}"
    child.kill()
    child.wait()


def test_nats_is_probed_as_the_reference_says_with_the_targets_token(nats: str) -> None:
    page = (Path(__file__).parents[2] / "docs/reference/targets.md").read_text()
    [example] = re.findall(r'^```toml title="other servers"\n(.*?)^```', page, re.MULTILINE | re.DOTALL)
    channel = ProbeChannel(**tomllib.loads(example)["targets"]["nats"]["fanout"])
    endpoint = Endpoint("nats", url=nats, patience_s=SHORT_S, fanout=channel, token="s3cret-of-nats")
    seen = trip_from_url(endpoint)
    assert (seen.readers, seen.arrived, seen.lost) == (20, 100, 0)


def test_words_that_the_server_does_not_take_end_the_probe_with_its_close_code(nats: str) -> None:
    with pytest.raises(UnavailableError, match="ended the connection that publishes, with code") as caught:
        measure(Endpoint("nats", url=nats, patience_s=SHORT_S, fanout=NATS))
    assert caught.value.reason == "malformed"


def test_a_server_that_broadcasts_whatever_it_is_sent_needs_no_subscription() -> None:
    talk = Broadcaster()
    with server(talk) as endpoint:
        seen = trip_from_url(endpoint)
    assert seen.arrived == seen.readers * seen.published
    assert all(WORD.fullmatch(text) for text in talk.heard)
    assert len(set(talk.heard)) == len(talk.heard)


def test_bytes_and_subprotocol_are_sent_as_the_target_says() -> None:
    talk = Broadcaster()
    channel = ProbeChannel("\x82\xff{probe}", subscribe="\x10", binary=True)
    with server(talk, channel, subprotocols=["mqtt"]) as endpoint:
        seen = trip_from_url(replace(endpoint, subprotocol="mqtt"))
        assert {one.subprotocol for one in talk.clients} == {"mqtt"}
    assert seen.arrived == seen.readers * seen.published
    assert "b'\\x10'" in talk.heard
    assert sum(text.startswith("b'\\x82\\xff") for text in talk.heard) >= seen.published


def test_messages_that_one_reader_misses_are_lost_and_those_that_all_miss_are_nobodys() -> None:
    def spare(reader: int, message: int) -> bool:  # the first five may go before it counts
        return message == 8 or (reader == 3 and message in (6, 7))

    with server(Broadcaster(spare)) as endpoint:
        seen = trip_from_url(replace(endpoint, patience_s=2.2))
    assert (seen.nowhere, seen.lost, seen.outstanding) == (1, 2, 0)


def test_a_reader_that_gets_nothing_is_silent_and_what_it_waits_for_is_outstanding() -> None:
    with server(Broadcaster(lambda reader, _: reader == 3)) as endpoint:
        seen = trip_from_url(endpoint)
    assert (seen.silent, seen.outstanding, seen.lost) == (1, seen.published, 0)
    assert seen.last_reader_s > seen.waited_s >= 1.5


def test_a_silent_server_gives_no_times() -> None:
    with server(lambda connection: [None for _ in connection]) as endpoint:  # type: ignore[arg-type, return-value]
        seen = trip_from_url(endpoint)
    assert (seen.arrived, seen.p50_s, seen.silent) == (0, None, 20)


def test_a_server_that_refuses_is_malformed_and_an_empty_port_unreachable() -> None:
    def refuse(connection: ServerConnection, _: object) -> object:
        return connection.respond(HTTPStatus.FORBIDDEN, "no")

    with server(Broadcaster(), process_request=refuse) as endpoint:
        with pytest.raises(UnavailableError, match=r"refused the WebSocket handshake: .*403") as caught:
            trip_from_url(endpoint)
        assert caught.value.reason == "malformed"
    with pytest.raises(UnavailableError) as caught:
        trip_from_url(endpoint)
    assert caught.value.reason == "unreachable"


def test_a_server_that_takes_one_client_only_says_so() -> None:
    seats = threading.Semaphore(1)

    def one_only(connection: ServerConnection, _: object) -> object:
        return None if seats.acquire(blocking=False) else connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "full")

    with (
        server(Broadcaster(), process_request=one_only) as endpoint,
        pytest.raises(UnavailableError, match="takes one connection, and of 20 more none"),
    ):
        trip_from_url(endpoint)


def test_without_a_channel_nothing_is_sent() -> None:
    for endpoint in (Endpoint("bare", url="ws://127.0.0.1:9/"), Endpoint("none", fanout=OURS)):
        with pytest.raises(UnavailableError) as caught:
            measure(endpoint)
        assert caught.value.reason == "not_configured"


def test_the_plan_says_that_it_sends_and_never_what() -> None:
    [source] = RoundTrip.sources
    channel = ProbeChannel(publish="{probe} s3cret-1", subscribe="s3cret-2")
    line = described(source, Endpoint("toy", url="ws://h/?token=s3cret-3", token="s3cret-4", fanout=channel))
    assert "21 connections to ws://h/?token=[redacted], which read what it SENDS" in line
    assert "s3cret" not in line


def test_few_messages_are_sent_however_patient_the_target_is() -> None:
    assert plan_of(3.0) == (15, 1.5)
    assert plan_of(3600.0) == (20, 10.0)
    assert plan_of(0.1) == (5, 1.5)
    assert (roundtrip.PERIOD_S, PROBE_BYTES) == (0.1, 16)


@settings(deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.frozensets(st.integers(0, 8)), st.booleans()), min_size=1, max_size=6),
    st.integers(0, 3),
)
def test_each_delivery_is_arrived_lost_outstanding_or_not_owed(readers, first: int) -> None:
    run = Run([], OURS, "", sent={number: float(number) for number in range(9)})
    got = [dict.fromkeys(numbers, 10.0) for numbers, _ in readers]
    run.links = [Reader(None), *(Reader(None, arrived, end) for arrived, (_, end) in zip(got, readers, strict=True))]  # type: ignore[arg-type]
    found = counted(run, first, 12.0)
    owed = found["arrived"] + found["lost"] + found["outstanding"]
    assert owed <= found["readers"] * found["published"]
    if all(len(arrived) == 9 for arrived in got):
        assert owed == found["arrived"] == found["readers"] * found["published"]
    assert (found["p50_s"] is None) == (found["arrived"] == 0)


def test_the_99th_percentile_is_that_of_the_nearest_rank() -> None:
    each = [[0.001 * number for number in range(1, 51)], [0.001 * number for number in range(51, 101)]]
    assert times(each) == {"p50_s": 0.0505, "p99_s": 0.099, "last_reader_s": 0.075}
