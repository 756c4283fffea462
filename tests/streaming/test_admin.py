import json
import socket
import stat

import pytest

from plumbline.streaming.probes.adminclient import AdminError, ask


@pytest.fixture
def path(tmp_path):
    return tmp_path / "admin.sock"


def exchange(path, raw):
    """Send bytes and return the first answer."""
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(20)
        link.connect(str(path))
        link.sendall(raw)
        with link.makefile() as answers:
            return json.loads(answers.readline())


def test_settings_are_read_and_changed_while_clients_stay(start, client, path):
    gateway = start(admin=path)
    link = client(gateway)
    assert ask(path, {"get": "settings"})["queue_max_bytes"] == 1 << 20
    answer = ask(path, {"set": {"queue_max_bytes": "64KiB", "overflow": "latest"}})
    assert (answer["queue_max_bytes"], answer["overflow"]) == (65536, "latest")
    assert ask(path, {"get": "settings"}) == answer
    assert link.ask(id=1, ping=1)["ok"]


@pytest.mark.parametrize("view", ["stats", "settings", "queues", "closes"])
def test_every_view_is_json(start, client, path, view):
    gateway = start(admin=path)
    client(gateway)
    assert isinstance(ask(path, {"get": view}), dict)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"queue_max_byte": 1}, "did you mean 'queue_max_bytes'?"),
        ({"queue_max_bytes": -1}, "out of range"),
        ({"queue_max_bytes": None}, "must be a whole number"),
        ({"overflow": ["wait"]}, "must be one of"),
        ({"queue_max_messages": 5, "listen_backlog": 0}, "listen_backlog=0"),
    ],
)
def test_a_wrong_setting_changes_nothing(start, path, change, says):
    start(admin=path)
    before = ask(path, {"get": "settings"})
    with pytest.raises(AdminError, match=says.replace("?", r"\?")) as refused:
        ask(path, {"set": change})
    assert refused.value.kind == "refused"
    assert ask(path, {"get": "settings"}) == before


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"hello",
        b"[]",
        b"{}",
        b'{"get": "stats", "set": {}}',
        b'{"get": "x"}',
        b'{"get": 1}',
        b'{"set": 1}',
        b'{"set": {}}',
        b"[" * 9999,
        b"\xff",
    ],
)
def test_what_is_no_request_is_refused_in_one_sentence(start, path, line):
    start(admin=path)
    answer = exchange(path, line + b"\n")
    assert answer["ok"] is False
    assert answer["error"]
    assert ask(path, {"get": "stats"}), "and the next one is served"


def test_an_endless_request_is_cut_off(start, path):
    start(admin=path)
    assert "at most" in exchange(path, b"x" * 100_000)["error"]


def test_several_requests_on_one_connection_are_answered_in_order(start, path):
    start(admin=path)
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(str(path))
        link.sendall(b'{"get": "settings"}\n{"get": "stats"}\n{"get"')
        link.sendall(b': "closes"}\n')
        with link.makefile() as answers:
            got = [json.loads(answers.readline())["result"] for _ in range(3)]
    assert ["overflow" in got[0], "pid" in got[1], "recent" in got[2]] == [True] * 3


def test_only_the_owner_may_open_the_socket_and_it_goes_with_the_gateway(start, path):
    gateway = start(admin=path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    gateway.stop()
    assert not path.exists()


def test_the_socket_of_a_dead_gateway_is_replaced_and_that_of_a_live_one_is_not(start, path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    start(admin=path)
    assert ask(path, {"get": "stats"})
    with pytest.raises(OSError, match="another gateway"):
        start(admin=path)
    assert ask(path, {"get": "stats"}), "the first one is still there"


def test_a_path_that_cannot_be_a_socket_is_an_error(start, tmp_path):
    with pytest.raises(OSError, match="100 bytes"):
        start(admin=tmp_path / ("x" * 120))
    with pytest.raises(OSError, match=r"there is no folder \S+missing"):
        start(admin=tmp_path / "missing" / "admin.sock")
    plain = tmp_path / "plain"
    plain.write_text("keep me")
    with pytest.raises(OSError, match="no socket"):
        start(admin=plain)
    assert plain.read_text() == "keep me"


def test_asking_says_what_went_wrong(tmp_path):
    with pytest.raises(AdminError, match="there is no admin socket") as missing:
        ask(tmp_path / "none.sock", {"get": "stats"})
    assert missing.value.kind == "unreachable"
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "silent.sock"))
        with pytest.raises(AdminError, match="no gateway listens"):
            ask(tmp_path / "silent.sock", {"get": "stats"})
        silent.listen(1)
        with pytest.raises(AdminError, match="did not answer within") as late:
            ask(tmp_path / "silent.sock", {"get": "stats"}, timeout_s=0.05)
    assert late.value.kind == "timeout"


@pytest.mark.parametrize("answer", [b"", b"hello\n", b"[]\n", b'{"ok": true}\n'])
def test_an_answer_that_is_none_is_malformed(tmp_path, answer):
    import threading

    path = tmp_path / "strange.sock"
    with socket.socket(socket.AF_UNIX) as strange:
        strange.bind(str(path))
        strange.listen(1)

        def once():
            link, _ = strange.accept()
            with link:
                link.recv(100)
                link.sendall(answer)

        thread = threading.Thread(target=once)
        thread.start()
        with pytest.raises(AdminError, match="not a gateway's answer") as refused:
            ask(path, {"get": "stats"})
        thread.join()
    assert refused.value.kind == "malformed"


def test_an_error_inside_does_not_end_the_gateway(start, path, monkeypatch, caplog):
    gateway = start()
    monkeypatch.setattr("plumbline.streaming.server.report.closes", lambda hub: 1 / 0)
    gateway.stop()
    start(admin=path)
    with pytest.raises(AdminError, match="internal error: division"):
        ask(path, {"get": "closes"})
    assert ask(path, {"get": "stats"})
