"""Several servers switch as one, or not at all."""

from __future__ import annotations

import json
import socketserver
import threading

import pytest
from deployers import NEW, OLD, Lane, Server

from plumbline.deployment.core.errors import ConflictError, FencedError, InvalidError, UnavailableError
from plumbline.deployment.core.lanes import Serving
from plumbline.deployment.lanes.artefact import ArtefactLane


@pytest.fixture
def servers(quick_folder):
    started = [Server(quick_folder / f"{n}.sock", Lane({OLD.digest: 1.0}, {OLD.digest})) for n in range(3)]
    yield started
    for one in started:
        one.close()


@pytest.fixture
def lane(servers):
    return ArtefactLane([one.path for one in servers], timeout_s=5)


def everywhere(servers, what):
    return [getattr(one.lane, what) for one in servers]


def test_all_servers_are_prepared_switched_and_tidied_up(servers, lane) -> None:
    lane.prepare(NEW.digest, epoch=3)
    lane.share({NEW.digest: 1.0}, epoch=3)
    lane.retire(OLD.digest, epoch=3)
    assert everywhere(servers, "shares") == [{NEW.digest: 1.0}] * 3
    assert lane.serving() == Serving({NEW.digest: 1.0}, 3, frozenset({NEW.digest}))


def test_what_one_server_cannot_load_none_keeps(servers, lane) -> None:
    servers[2].lane.broken["prepare"] = 1
    with pytest.raises(UnavailableError, match=r"2\.sock"):
        lane.prepare(NEW.digest, epoch=3)
    assert everywhere(servers, "ready") == [{OLD.digest}] * 3


def test_when_one_server_does_not_switch_the_others_are_switched_back(servers, lane) -> None:
    lane.prepare(NEW.digest, epoch=3)
    servers[2].lane.broken["share"] = 1
    with pytest.raises(UnavailableError, match=r"2\.sock: share fails; the others were switched back"):
        lane.share({NEW.digest: 1.0}, epoch=3)
    assert everywhere(servers, "shares") == [{OLD.digest: 1.0}] * 3


def test_a_server_that_cannot_be_switched_back_is_named(servers, lane) -> None:
    lane.prepare(NEW.digest, epoch=3)
    servers[1].lane.broken["share"] = 2
    with pytest.raises(UnavailableError, match=r"switched back but for .*1\.sock"):
        lane.share({NEW.digest: 1.0}, epoch=3)
    assert everywhere(servers, "shares") == [{OLD.digest: 1.0}] * 3


def test_a_version_that_is_not_ready_everywhere_is_switched_nowhere(servers, lane) -> None:
    servers[0].lane.ready.add(NEW.digest)
    with pytest.raises(InvalidError, match="not ready; nothing was switched"):
        lane.share({NEW.digest: 1.0}, epoch=3)
    assert lane.serving().ready == {OLD.digest}
    assert everywhere(servers, "shares") == [{OLD.digest: 1.0}] * 3


def test_if_one_server_has_seen_a_newer_deployer_none_is_touched(servers, lane) -> None:
    servers[2].lane.epoch = 9
    for command in (
        lambda: lane.prepare(NEW.digest, epoch=3),
        lambda: lane.share({OLD.digest: 1.0}, epoch=3),
        lambda: lane.retire(NEW.digest, epoch=3),
    ):
        with pytest.raises(FencedError, match="epoch 3 is older than 9"):
            command()
    assert everywhere(servers, "epoch") == [0, 0, 9]


def test_a_server_that_is_gone_serves_nothing_and_stops_no_way_back_but_every_new_version(servers, lane) -> None:
    lane.prepare(NEW.digest, epoch=3)
    servers[1].close()
    lane.share({NEW.digest: 1.0}, epoch=3)
    assert lane.serving().shares == {NEW.digest: 1.0}
    lane.share({OLD.digest: 1.0}, epoch=3)
    lane.retire(NEW.digest, epoch=3)
    with pytest.raises(UnavailableError, match=r"1\.sock"):
        lane.prepare(NEW.digest, epoch=3)


def test_without_any_server_the_lane_says_so(servers, lane) -> None:
    for one in servers:
        one.close()
    for command in (lane.serving, lambda: lane.share({OLD.digest: 1.0}, epoch=1)):
        with pytest.raises(UnavailableError, match="no server answers"):
            command()
    with pytest.raises(InvalidError, match="at least one server"):
        ArtefactLane([])


def test_a_refusal_arrives_as_the_error_it_was(servers, lane) -> None:
    with pytest.raises(ConflictError, match=r"0\.sock"):
        lane.retire(OLD.digest, epoch=3)


def test_half_switched_servers_show_as_shares_of_both(servers, lane) -> None:
    lane.prepare(NEW.digest, epoch=3)
    servers[0].lane.shares = {NEW.digest: 1.0}
    assert lane.serving().shares == {NEW.digest: pytest.approx(1 / 3), OLD.digest: pytest.approx(2 / 3)}


def test_a_server_that_runs_and_does_not_answer_is_not_taken_for_gone(quick_folder) -> None:
    over = threading.Event()

    class Mute(socketserver.StreamRequestHandler):
        def handle(self):
            json.loads(self.rfile.readline())
            over.wait(30)

    server = socketserver.ThreadingUnixStreamServer(str(quick_folder / "mute.sock"), Mute)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    lane = ArtefactLane([quick_folder / "mute.sock"], timeout_s=0.05)
    with pytest.raises(UnavailableError, match=r"mute\.sock"):
        lane.share({OLD.digest: 1.0}, epoch=1)
    over.set()
    server.shutdown()
    thread.join()
    server.server_close()
