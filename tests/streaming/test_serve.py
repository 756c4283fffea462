"""`plumb gateway` and `python -m plumbline.streaming`, as a user meets them."""

import json
import logging
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

from plumbline.cli.main import main
from plumbline.streaming.server import log


@pytest.fixture
def plumb(monkeypatch):
    monkeypatch.delenv("PLUMBLINE_ADMIN", raising=False)

    def run(*words, **env):
        return CliRunner().invoke(main, ["gateway", *words], env=env)

    logger = logging.getLogger(log.NAME)
    before, level, propagate = list(logger.handlers), logger.level, logger.propagate
    yield run
    for handler in [one for one in logger.handlers if one not in before]:  # a command is a process of its own elsewhere
        logger.removeHandler(handler)
        handler.close()
    logger.setLevel(level)
    logger.propagate = propagate


def one_sentence(result, code):
    assert result.exit_code == code
    lines = result.output.strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("Error: ")
    return lines[0]


def test_the_ready_line_says_where_it_is(process, client, until):
    gateway = process()
    assert gateway.ready["event"] == "ready"
    assert gateway.ready["pid"] == gateway.child.pid
    assert gateway.ready["metrics"].endswith("/metrics")
    assert client(gateway).ask(id=1, ping=1)["ok"]
    until(lambda: "INFO plumbline.gateway listening address=127.0.0.1:" in gateway.log)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_closes_clients_with_1012_and_ends_with_zero(process, raw, number):
    gateway = process("--set", "close_timeout_s=0.1")
    link = raw(gateway)
    gateway.child.send_signal(number)
    assert link.read_close()[0] == 1012
    assert gateway.child.wait(20) == 0
    gateway.child.stdout.close()
    assert not gateway.admin.exists()
    assert "stopped" in gateway.log
    assert "reason=service-restart by=server clean=false" in gateway.log


def test_a_file_of_settings_is_read_and_read_again_on_sighup(process, tmp_path, until):
    config = tmp_path / "gateway.toml"
    config.write_text('overflow = "latest"\nqueue_max_bytes = "64KiB"\nheartbeat_interval_s = 5\n')
    gateway = process("--config", str(config), "--set", "heartbeat_interval_s=7")
    settings = gateway.ask(get="settings")
    assert (settings["overflow"], settings["queue_max_bytes"], settings["heartbeat_interval_s"]) == ("latest", 65536, 7)

    config.write_text('overflow = "wait"\n')
    gateway.child.send_signal(signal.SIGHUP)
    until(lambda: gateway.ask(get="settings")["overflow"] == "wait")
    assert gateway.ask(get="settings")["heartbeat_interval_s"] == 7

    config.write_text('overflw = "wait"\n')
    gateway.child.send_signal(signal.SIGHUP)
    until(lambda: "reload failed" in gateway.log)
    assert "did you mean 'overflow'?" in gateway.log
    assert gateway.ask(get="settings")["overflow"] == "wait"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--listen", "nowhere"], 2, "'nowhere' is no address to listen on; write HOST:PORT"),
        (["--listen", "0.0.0.0:0"], 2, "--allow-remote"),
        (["--set", "overflow"], 2, "'overflow' is no setting; write key=value"),
        (["--set", "overflo=wait"], 2, "did you mean 'overflow'?"),
        (["--config", "/does/not/exist.toml"], 1, "/does/not/exist.toml: No such file"),
        (
            ["--admin", "/no/where/a.sock", "--listen", "127.0.0.1:0"],
            1,
            "/no/where/a.sock: there is no folder /no/where",
        ),
        (
            ["--admin", "/no/where/a.sock", "--listen", "127.0.0.1:0", "--workers", "1"],
            1,
            "/no/where/a.sock: there is no folder /no/where",
        ),
        (["--listen", "203.0.113.1:80", "--allow-remote"], 2, "there is no TLS"),
        (["--listen", "203.0.113.1:80", "--allow-remote", "--insecure"], 1, "cannot listen on 203.0.113.1:80"),
    ],
)
def test_what_cannot_be_served_is_said_in_one_sentence(plumb, words, code, says):
    assert says in one_sentence(plumb("serve", *words), code)


def test_a_broken_file_is_named(plumb, tmp_path):
    broken = tmp_path / "broken.toml"
    for text, says in [("= 1", "broken.toml: Invalid"), ("listen_backlog = 0", "broken.toml: listen_backlog=0")]:
        broken.write_text(text)
        assert says in one_sentence(plumb("serve", "--config", str(broken)), 1)


def test_without_the_servers_packages_it_says_what_to_install(plumb, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert "pip install 'plumbline[streaming]'" in one_sentence(plumb("serve"), 1)


def test_show_prints_tables_for_people_and_json_for_programs(start, client, raw, plumb, tmp_path, until):
    gateway = start(admin=tmp_path / "a.sock", settings={"overflow": "drop-oldest"})
    admin = ["--admin", str(tmp_path / "a.sock")]
    gone, reader = client(gateway), client(gateway)
    reader.ask(id=1, subscribe="a")
    gone.link.close()
    until(lambda: gateway.recent)
    for view, says in [
        ("stats", "normal 1"),
        ("settings", "drop-oldest"),
        ("queues", "1 connections, 0 B queued"),
        ("closes", "1 last closes, heartbeat every 25 s"),
    ]:
        shown = plumb("show", view, *admin)
        assert shown.exit_code == 0
        assert says in shown.output
        assert isinstance(json.loads(plumb("show", view, "--json", *admin).output), dict)
    assert plumb("show", *admin).output.split()[0] == "Counters"


def test_sizes_are_shown_as_people_read_them():
    from plumbline.cli.gateway import _size

    assert [_size(count) for count in (0, 1023, 1536, 3 << 20)] == ["0 B", "1023 B", "1.5 KiB", "3.0 MiB"]


def test_set_changes_a_running_gateway(start, plumb, tmp_path):
    gateway = start(admin=tmp_path / "a.sock")
    env = {"PLUMBLINE_ADMIN": str(tmp_path / "a.sock")}
    assert (
        plumb("set", "overflow=latest", "listen_backlog=16", **env).output == "overflow = latest\nlisten_backlog = 16\n"
    )
    assert gateway.stats["accept_backlog"] == 16
    assert json.loads(plumb("set", "--json", "overflow=wait", **env).output)["overflow"] == "wait"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["show"], 2, "which gateway?"),
        (["show", "--admin", "/does/not/exist"], 1, "there is no admin socket at /does/not/exist"),
        (["set", "--admin", "/x", "overflow"], 2, "write key=value"),
    ],
)
def test_what_cannot_be_asked_is_said_in_one_sentence(plumb, words, code, says):
    assert says in one_sentence(plumb(*words), code)


def test_a_wrong_setting_is_refused_by_the_gateway_with_a_hint(start, plumb, tmp_path):
    start(admin=tmp_path / "a.sock")
    result = plumb("set", "--admin", str(tmp_path / "a.sock"), "overflw=wait")
    assert "did you mean 'overflow'?" in one_sentence(result, 2)


@pytest.mark.parametrize(
    "module", ["plumbline.streaming.evidence", "plumbline.cli.gateway", "plumbline.streaming.core.settings"]
)
def test_looking_at_a_gateway_imports_no_server(module):
    code = f"import sys, {module}; print([name for name in ('httptools', 'uvloop', 'asyncio') if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    allowed = "['asyncio']" if module == "plumbline.cli.gateway" else "[]"
    assert found == allowed
