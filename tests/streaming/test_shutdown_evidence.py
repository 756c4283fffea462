"""How the last process ended, and how long the next one may take: noted by itself, and read from systemd."""

import asyncio
import json
import math

import pytest

from plumbline.evidence import Endpoint, UnavailableError
from plumbline.streaming.core.settings import Settings
from plumbline.streaming.evidence import End
from plumbline.streaming.evidence_shutdown import shutdowns_from_admin, shutdowns_from_both, shutdowns_from_pid
from plumbline.streaming.probes import stopping
from plumbline.streaming.probes.ends import SUFFIX
from plumbline.streaming.probes.sockets import PROC
from plumbline.streaming.server.gateway import Gateway
from plumbline.streaming.server.lastend import LastEnd

SHOWN = "TimeoutStopUSec=1min 30s\nKillSignal=15\nKillMode=mixed\nSendSIGKILL=yes\n"


def test_nobody_knows_how_the_first_process_ended(tmp_path):
    end = LastEnd(str(tmp_path / "a.sock"))
    end.begin()
    assert end.view() == {"previous": []}


def test_a_process_that_noted_nothing_but_its_start_ended_without_being_told(tmp_path):
    LastEnd(str(tmp_path / "a.sock")).begin()
    end = LastEnd(str(tmp_path / "a.sock"))
    end.begin()
    assert [one["how"] for one in end.view()["previous"]] == ["running"]


def test_who_is_killed_while_draining_has_noted_how_many_were_left(tmp_path, caplog):
    now = [1000.0]
    dying = LastEnd(str(tmp_path / "a.sock"), lambda: now[0])
    dying.begin()

    async def begun():
        noting = asyncio.ensure_future(dying.follow(lambda: 412, 30.0))
        await asyncio.sleep(0)
        noting.cancel()

    asyncio.run(begun())
    now[0] += 5
    end = LastEnd(str(tmp_path / "a.sock"), lambda: now[0])
    with caplog.at_level("WARNING"):
        end.begin()
    [told] = end.view()["previous"]
    assert (told["how"], told["connections"], told["within_s"], told["ago_s"]) == ("draining", 412, 30.0, 5.0)
    assert "killed while draining connections=412" in caplog.text


def test_a_drain_that_is_over_is_not_overwritten_by_the_stop_after_it(tmp_path):
    end = LastEnd(str(tmp_path / "a.sock"))
    end.stopped(connections=9, lost=9)  # before it began there is nothing to note
    end.begin()
    assert end.previous is None
    end.drained(connections=9, within_s=1.0, left=7, cut=0, lost=0, took_s=0.8)
    end.stopped(connections=0, lost=0)
    assert json.loads((tmp_path / f"a.sock{SUFFIX}").read_text())["how"] == "drained"


@pytest.mark.parametrize("text", ["", "half a fi", "[]", '{"how": "drained"}', '{"how": "drained", "at": "soon"}'])
def test_a_file_that_says_nothing_sensible_is_none(tmp_path, text):
    (tmp_path / f"a.sock{SUFFIX}").write_text(text)
    end = LastEnd(str(tmp_path / "a.sock"))
    end.begin()
    assert end.view() == {"previous": []}


def test_without_an_admin_socket_nothing_is_noted():
    end = LastEnd(None)
    end.begin()
    end.stopped(connections=1, lost=0)
    assert end.view() == {"previous": []}


def test_a_gateway_tells_the_next_one_how_it_drained_and_how_it_was_stopped(tmp_path):
    admin = str(tmp_path / "a.sock")
    settings = Settings(drain_s=0.05)

    async def play():
        async with Gateway(settings, admin=admin) as first:
            await first.drain()
        async with Gateway(settings, admin=admin):
            drained = await asyncio.to_thread(shutdowns_from_admin, Endpoint("lab", admin=admin))
        async with Gateway(settings, admin=admin):
            return drained, await asyncio.to_thread(shutdowns_from_both, Endpoint("lab", admin=admin, pid=2**22 + 1))

    drained, stopped = asyncio.run(play())
    assert [(one.how, one.connections, one.within_s, one.lost) for one in drained.ends] == [("drained", 0, 0.05, 0)]
    assert drained.drain_s == 0.05
    assert drained.needed_s == 0.05 + settings.close_timeout_s
    assert [one.how for one in stopped.ends] == ["stopped"]
    assert stopped.granted_s is None


def test_between_two_processes_the_note_itself_is_read(tmp_path):
    admin = str(tmp_path / "a.sock")
    with pytest.raises(UnavailableError, match="there is no admin socket"):
        shutdowns_from_admin(Endpoint("lab", admin=admin))
    end = LastEnd(admin)
    end.begin()
    end.drained(connections=9, within_s=1.0, left=7, cut=0, lost=0, took_s=0.8)
    found = shutdowns_from_admin(Endpoint("lab", admin=admin))
    assert [(one.how, one.connections) for one in found.ends] == [("drained", 9)]
    assert found.drain_s is None


def test_an_answer_of_another_form_is_said_to_be_one(monkeypatch):
    monkeypatch.setattr("plumbline.streaming.evidence_shutdown.asked", lambda *_: {"previous": [{"how": 1}]})
    with pytest.raises(UnavailableError, match="in a form this version does not know"):
        shutdowns_from_admin(Endpoint("lab", admin="x"))


def cgroup(tmp_path, text):
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "cgroup").write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    "text",
    [
        "0::/system.slice/gateway.service\n",
        "12:memory:/system.slice/gateway.service\n0::/init.scope\n",
        "0::/system.slice/gateway.service/workers\n",
    ],
)
def test_the_unit_of_a_process_is_named_by_its_control_group(tmp_path, text):
    assert stopping.grace(7, cgroup(tmp_path, text), lambda unit: SHOWN) == ("gateway.service", 90.0)


def test_a_process_of_no_service_is_stopped_by_somebody_unknown(tmp_path):
    with pytest.raises(UnavailableError, match="belongs to no systemd service"):
        stopping.grace(7, cgroup(tmp_path, "0::/user.slice/session-2.scope\n"))
    with pytest.raises(UnavailableError, match="there is no process 8"):
        stopping.grace(8, tmp_path)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1min 30s", 90), ("500ms", 0.5), ("2h 5min", 7500), ("infinity", math.inf), ("1month", 2629800), ("30s", 30)],
)
def test_times_are_read_as_systemd_prints_them(text, seconds):
    assert stopping.span(text) == seconds


def test_what_is_no_time_is_said_to_be_none():
    with pytest.raises(UnavailableError, match="is no time"):
        stopping.span("soon")


def test_a_unit_may_kill_at_once_or_never():
    assert stopping.allowed({"KillSignal": "9", "TimeoutStopUSec": "1min 30s"}) == 0
    assert stopping.allowed({"KillSignal": "15", "KillMode": "none", "TimeoutStopUSec": "30s"}) == math.inf
    assert stopping.allowed({"KillSignal": "15", "SendSIGKILL": "no", "TimeoutStopUSec": "30s"}) == math.inf


def test_without_systemd_it_says_so(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UnavailableError, match="systemctl does not say"):
        stopping.shown("gateway.service")


def test_any_servers_unit_is_evidence_without_an_admin_socket(monkeypatch):
    monkeypatch.setattr(stopping, "grace", lambda pid, proc=PROC: ("chat.service", 5.0))
    found = shutdowns_from_pid(Endpoint("any", pid=7))
    assert (found.ends, found.drain_s, found.granted_s, found.supervisor) == ((), None, 5.0, "chat.service")
    monkeypatch.setattr(
        "plumbline.streaming.evidence_shutdown.shutdowns_from_admin",
        lambda _: type(found)((End("drained", 1.0),), 1.0, 2.0),
    )
    assert shutdowns_from_both(Endpoint("any", pid=7, admin="x")).granted_s == 5.0
