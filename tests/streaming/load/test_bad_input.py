"""What cannot be done as asked is said in one sentence, before anything is opened."""

import asyncio
import os
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

from plumbline.cli.load import load
from plumbline.streaming.load import faults, opening, targets
from plumbline.streaming.load.errors import LoadError
from plumbline.streaming.load.quick import quick
from plumbline.streaming.load.scenario import from_file, scenario
from plumbline.streaming.load.standing import gateway

PHASES = [{"name": "a", "seconds": 1}]
WRONG = {
    "an unknown key": ({"conections": 1}, "'conections' is no key here; did you mean 'connections'?"),
    "too many": ({"connections": 10**7}, "connections: input should be less than or equal to 200000"),
    "an unknown dialect": ({"dialect": "stomp"}, "there is no dialect 'stomp'; there are plumbline, nats"),
    "two groups of one name": ({"groups": [{"name": "g"}] * 2}, "two groups have the same name"),
    "an unknown group": (
        {"groups": [{"name": "small"}], "phases": [{**PHASES[0], "publish": [{"group": "smal", "per_s": 1}]}]},
        "phase 'a' publishes into 'smal', which is no group; did you mean 'small'?",
    ),
    "days of load": ({"phases": [{"name": "a", "seconds": 86_400}]}, "last longer than 86400 s together"),
    "an endless phase": ({"phases": [{"name": "a", "seconds": float("inf")}]}, "phases.0.seconds: "),
    "no phase": ({"phases": []}, "phases: "),
    "channels for echo": ({"dialect": "echo", "groups": [{"name": "g"}]}, "the dialect echo has no channels"),
    "many channels for broadcast": (
        {"dialect": "broadcast", "groups": [{"name": "g", "channels": 2}]},
        "has one channel that everybody reads",
    ),
    "requests for broadcast": (
        {"dialect": "broadcast", "phases": [{**PHASES[0], "requests_per_s": 1}]},
        "answers no requests",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_scenario_is_one_sentence(wrong):
    values, sentence = WRONG[wrong]
    with pytest.raises(LoadError) as raised:
        scenario({"connections": 10, "phases": PHASES} | values, "run.toml")
    assert str(raised.value).startswith("run.toml: ")
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_none_is_one_sentence(tmp_path):
    with pytest.raises(LoadError, match=r"none\.toml: No such file"):
        from_file(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("connections = ")
    with pytest.raises(LoadError, match=r"bad\.toml: Invalid value"):
        from_file(tmp_path / "bad.toml")


def test_a_file_is_the_scenario_it_says(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text('connections = 7\n[[groups]]\nname = "g"\n[[phases]]\nname = "a"\nseconds = 2\n')
    assert from_file(path).connections == 7
    assert from_file(path).publishers == 1


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("http://127.0.0.1/", "no WebSocket URL"),
        ("ws://", "no WebSocket URL"),
        ("ws://127.0.0.1:99999/", "is no URL"),
        ("ws://192.0.2.7:80/", "192.0.2.7 is not this machine; load goes to loopback only"),
        ("ws://no-such-host.invalid/", "cannot be resolved"),
    ],
)
def test_a_target_that_is_not_ours_to_load_is_refused(url, sentence):
    with pytest.raises(LoadError, match=sentence):
        targets.place(url)


def test_a_host_that_the_user_names_as_their_own_is_accepted():
    place = targets.place("wss://192.0.2.7/path?x=1", own=("192.0.2.7",))
    assert (place.port, place.path, place.tls, place.loopback) == (443, "/path?x=1", True, False)
    assert targets.sources([place], 100) == ()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8")
def test_there_are_more_source_addresses_than_ports_need():
    place = targets.place("ws://127.0.0.1:1/")
    assert targets.sources([place], 10) == ("127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5")
    assert len(targets.sources([place], 150_000)) == 7


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("explode@1", "is no fault"),
        ("kill-worker", "is no fault"),
        ("restart-broker@5", "needs to know what to do"),
        ("kill-region@5=pid:x", "says nothing that kill-region can do"),
        ("pause@5=run:true", "says nothing that pause can do"),
    ],
)
def test_a_wrong_fault_is_one_sentence(text, sentence):
    with pytest.raises(LoadError, match=sentence):
        faults.parse(text)


def test_faults_are_read_as_they_are_written():
    assert faults.parse("kill-worker@60") == faults.Fault("kill-worker", 60.0)
    assert faults.parse("kill-region@1.5=pid:12,13").pids == (12, 13)
    assert faults.parse("restart-broker@2=run:sh -c 'exit 0'").command == ("sh", "-c", "exit 0")


def strike(fault, admins=()):
    return asyncio.run(faults.strike(fault, admins))


def test_a_fault_says_what_it_did_and_what_came_of_it(tmp_path):
    assert strike(faults.parse("restart-broker@0=run:true"))["result"] == "ok"
    assert strike(faults.parse("restart-broker@0=run:false"))["result"] == "exit code 1"
    assert "No such file" in strike(faults.parse(f"restart-broker@0=run:{tmp_path}/none"))["result"]
    assert strike(faults.parse("kill-worker@0"))["did"] == "nothing"
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        paused = strike(faults.Fault("pause", 0, pids=(child.pid,), pause_s=0.05))
        assert paused["did"] == f"stopped pid {child.pid} for 0.05 s"
        assert child.poll() is None
        strike(faults.Fault("kill-worker", 0, pids=(child.pid,)))
        assert child.wait(10) == -signal.SIGKILL
        assert strike(faults.Fault("kill-worker", 0, pids=(child.pid,)))["result"] == "No such process"
    finally:
        child.kill()
        child.wait()


def ask(*words):
    return CliRunner().invoke(load, [*words])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "there is no server to load"),
        (("http://127.0.0.1/",), "no WebSocket URL"),
        (("ws://127.0.0.1:1/", "--lab"), "--lab starts its own server"),
        (("--scenario", "none.toml"), "none.toml: No such file"),
        (("--scenario", "none.toml", "--rate", "5"), "leave --rate out"),
        (("ws://127.0.0.1:1/", "--json", "/no/such/folder/r.json"), "there is no folder /no/such/folder"),
        (("ws://127.0.0.1:1/", "--fault", "boom@1"), "is no fault"),
        (("ws://127.0.0.1:1/", "--connections", "0"), "connections: "),
        (("ws://127.0.0.1:1/", "--dialect", "smtp"), "there is no dialect 'smtp'"),
        (("wss://127.0.0.1:1/", "--ca", __file__), "holds no certificates"),
    ],
)
def test_the_command_says_what_is_wrong_and_exits_2(words, sentence):
    found = ask(*words)
    assert found.exit_code == 2
    assert sentence in found.stderr
    assert len(found.stderr.strip().splitlines()) == 1


def test_a_gateway_that_does_not_start_repeats_its_own_sentence():
    with (
        pytest.raises(LoadError, match=r"the gateway does not start: .*no setting 'colour'"),
        gateway(["--set", "colour=red"]),
    ):
        raise AssertionError("it started")


def test_options_make_the_phases_they_mean():
    made = quick({"hold": 1.0, "large": 2.0, "storm": 0.5, "slow": 1, "churn": 2.0})
    assert [phase.name for phase in made.phases] == ["ramp", "hold", "load", "storm"]
    assert [group.name for group in made.groups] == ["small", "large"]
    assert quick({"dialect": "broadcast"}).groups[0].name == "large"
    assert quick({"dialect": "echo"}).phases[-1].requests_per_s > 0


def test_errors_of_sockets_have_short_stable_names():
    import errno
    import ssl

    named = {errno.EADDRNOTAVAIL: "ports", errno.EMFILE: "descriptors", errno.ECONNREFUSED: "refused"}
    for number, word in named.items():
        assert opening.name(OSError(number, os.strerror(number))) == word
    assert opening.name(TimeoutError()) == "timeout"
    assert opening.name(ssl.SSLError("x")) == "tls"
    assert opening.name(OSError(errno.EPIPE, "x")) == "EPIPE"
