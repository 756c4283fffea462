"""The runtime lane: real HAProxy, real processes, a client that never sends anything twice."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from lane_parts import launch, wait_until

from plumbline.deployment.core.errors import FencedError, InvalidError, UnavailableError
from plumbline.deployment.lanes.runtime import weights_of

OLD, NEW, BROKEN = (f"sha256:{letter * 64}" for letter in "abc")


def first(lane, digest=OLD, epoch=1):
    lane.prepare(digest, epoch=epoch)
    lane.share({digest: 1.0}, epoch=epoch)


def test_ten_switches_under_load_lose_nothing_and_nobody_hears_the_old_version_after_the_acknowledgement(lane, load):
    first(lane)
    with load(in_flight=8, fresh=2) as client:
        client.expect([OLD])
        current, other = OLD, NEW
        for _ in range(10):
            lane.prepare(other, epoch=1)
            client.expect([current, other])
            lane.share({other: 1.0}, epoch=1)
            client.expect([other])
            client.wait(40)
            lane.retire(current, epoch=1)
            current, other = other, current
    assert (client.tally.failed, client.tally.stale) == (0, 0), client.tally.examples
    assert client.tally.requests > 400
    assert set(client.tally.versions) == {OLD, NEW}


def test_a_version_that_never_becomes_ready_changes_nothing(make_lane, front, load):
    def how(digest, address):
        return launch(digest, address, ["never-ready"] if digest == NEW else ["ends"] if digest == BROKEN else [])

    lane = make_lane(how, ready_s=1)
    first(lane)
    before = lane.serving()
    with load(in_flight=4) as client:
        client.expect([OLD])
        with pytest.raises(UnavailableError, match="did not become ready within 1 s"):
            lane.prepare(NEW, epoch=1)
        with pytest.raises(UnavailableError, match="a process ended; it said: no such library"):
            lane.prepare(BROKEN, epoch=1)
        with pytest.raises(InvalidError, match="not ready"):
            lane.share({NEW: 1.0}, epoch=1)
        client.wait(20)
    assert lane.serving() == before
    assert (client.tally.failed, client.tally.stale) == (0, 0)
    assert [group.running() for group in lane._groups] == [OLD, None]


@pytest.mark.parametrize("words", ["prepared", "shared", "retired"])
def test_a_deployer_killed_in_the_middle_leaves_what_the_next_one_finds_and_finishes(
    words, lane, load, tmp_path, ports
):
    first(lane)
    script = Path(__file__).parent / "deployer.py"
    where = [str(tmp_path), ",".join(map(str, ports[:4])), "2"]
    with load(in_flight=4) as client:
        with subprocess.Popen(
            [sys.executable, script, *where, NEW, OLD], stdout=subprocess.PIPE, text=True
        ) as deployer:
            next(line for line in deployer.stdout if line.strip() == words)
            deployer.send_signal(signal.SIGKILL)
        found = lane.serving()
        assert sum(found.shares.values()) == pytest.approx(1)
        lane.prepare(NEW, epoch=3)
        lane.share({NEW: 1.0}, epoch=3)
        client.expect([NEW])
        client.wait(40)
        lane.retire(OLD, epoch=3)
    assert (client.tally.failed, client.tally.stale) == (0, 0), client.tally.examples
    assert lane.serving().shares == {NEW: 1.0}
    assert [group.running() for group in lane._groups].count(None) == 1
    with pytest.raises(FencedError, match="epoch 3"):
        lane.share({NEW: 1.0}, epoch=2)


def test_a_share_is_kept_request_by_request(lane, load):
    first(lane)
    lane.prepare(NEW, epoch=1)
    lane.share({OLD: 0.75, NEW: 0.25}, epoch=1)
    assert lane.serving().shares == {OLD: 0.75, NEW: 0.25}
    assert lane.serving().ready == {OLD, NEW}
    with load(in_flight=4) as client:
        client.wait(200)
    assert client.tally.versions[NEW] / client.tally.requests == pytest.approx(0.25, abs=0.02)
    with pytest.raises(InvalidError, match="no group is free"):
        lane.prepare(BROKEN, epoch=1)
    with pytest.raises(InvalidError, match="has a share"):
        lane.retire(NEW, epoch=1)


def test_each_command_may_be_said_twice(lane):
    for _ in range(2):
        first(lane)
        lane.prepare(NEW, epoch=1)
    for _ in range(2):
        lane.share({NEW: 1.0, OLD: 0.0}, epoch=1)
    for _ in range(2):
        lane.retire(OLD, epoch=1)
    assert lane.serving().shares == {NEW: 1.0}


def test_a_third_version_takes_the_group_that_has_no_share(lane):
    first(lane)
    lane.prepare(NEW, epoch=1)
    lane.prepare(BROKEN, epoch=1)
    assert [group.running() for group in lane._groups] == [OLD, BROKEN]


def test_a_process_that_died_is_started_again_and_the_others_are_left_alone(lane, tmp_path):
    first(lane)
    pids = [int((tmp_path / f"groups/blue{n}.pid").read_text().split()[0]) for n in (1, 2)]
    subprocess.run(["kill", "-9", str(pids[0])], check=True)
    wait_until(lambda: not lane._groups[0].whole())
    lane.prepare(OLD, epoch=1)
    assert lane._groups[0].ready()
    assert int((tmp_path / "groups/blue2.pid").read_text().split()[0]) == pids[1]


def test_a_group_that_serves_is_not_ended_because_one_process_does_not_come_back(make_lane, front, tmp_path):
    broken = []
    lane = make_lane(lambda digest, address: launch(digest, address, broken))
    first(lane)
    broken.append("ends")
    subprocess.run(["kill", "-9", (tmp_path / "groups/blue1.pid").read_text().split()[0]], check=True)
    wait_until(lambda: not lane._groups[0].whole())
    with pytest.raises(UnavailableError, match="no such library"):
        lane.prepare(OLD, epoch=1)
    assert lane._groups[0].running() == OLD


def test_a_restarted_haproxy_goes_on_with_what_was_served(lane, front):
    first(lane)
    lane.prepare(NEW, epoch=1)
    lane.share({OLD: 0.5, NEW: 0.5}, epoch=1)
    lane.share({NEW: 1.0}, epoch=1)
    lane.retire(OLD, epoch=1)
    front.stop()
    with pytest.raises(UnavailableError, match="is it running"):
        lane.serving()
    front.start()
    assert lane.serving().shares == {NEW: 1.0}


def test_a_share_waits_for_the_last_request_on_the_old_version_and_says_if_it_does_not_end(make_lane, front, load):
    lane = make_lane(lambda digest, at: _slow(digest, at), drain_s=0.2)
    first(lane)
    lane.prepare(NEW, epoch=1)
    with load(in_flight=2) as client:
        wait_until(lambda: sum(one.sessions for name, one in front.proxy.loads("model").items() if name != "BACKEND"))
        with pytest.raises(UnavailableError, match="blue did not end within"):
            lane.share({NEW: 1.0}, epoch=1)
        assert lane.serving().shares == {NEW: 1.0}
        client.wait(2)
    lane.share({NEW: 1.0}, epoch=1)
    assert client.tally.failed == 0


def _slow(digest, address):
    told = launch(digest, address)
    return type(told)(told.argv, env={"DELAY_S": "0.6"})


@pytest.mark.parametrize("shares", [{OLD: 0.5}, {OLD: 1.5, NEW: -0.5}, {}])
def test_shares_that_make_no_whole_are_refused(shares, lane):
    with pytest.raises(InvalidError, match="add up to 1"):
        lane.share(shares, epoch=1)


def test_a_group_that_haproxy_does_not_know_is_said(lane):
    lane._groups[1].size = 3
    with pytest.raises(InvalidError, match="no server 'green3'"):
        lane.serving()


def test_weights_follow_shares_closely_and_refuse_what_they_cannot_say():
    assert weights_of({"blue": 1.0}) == {"blue": 256}
    assert weights_of({"blue": 0.5, "green": 0.5}) == {"blue": 256, "green": 256}
    for share in (0.01, 0.05, 1 / 3, 0.1):
        weights = weights_of({"blue": 1 - share, "green": share})
        assert weights["green"] / sum(weights.values()) == pytest.approx(share, abs=0.0005)
    with pytest.raises(InvalidError, match="below one part in 256"):
        weights_of({"blue": 0.9995, "green": 0.0005})


def test_a_small_group_gets_its_share_with_the_processes_that_it_has():
    sizes = {"blue": 4, "fresh": 1}
    weights = weights_of({"blue": 0.8, "fresh": 0.2}, sizes)
    assert weights["blue"] == weights["fresh"]
    weights = weights_of({"blue": 0.95, "fresh": 0.05}, sizes)
    assert weights["fresh"] / (4 * weights["blue"] + weights["fresh"]) == pytest.approx(0.05, abs=0.0005)
