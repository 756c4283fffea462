"""`plumb up`: says where it serves, refuses to be opened too wide, and takes everything down with it."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest
import uvicorn
from click.testing import CliRunner

from plumbline.cli.main import main
from plumbline.cli.up import listen, server_that_tells
from plumbline.web.pages import how_to_build

Receive = Callable[[], Awaitable[dict[str, str]]]
Send = Callable[[dict[str, str]], Awaitable[None]]
PLUMB = Path(sys.executable).with_name("plumb")


@pytest.fixture
def serving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The real command with its lab, on a port of its own, in a state folder of its own."""
    monkeypatch.setenv("PLUMBLINE_STATE", str(tmp_path / "state"))
    process = subprocess.Popen([PLUMB, "up", "--port", "0"], stderr=subprocess.PIPE, text=True)
    assert process.stderr
    address = ""
    for line in process.stderr:
        if found := re.search(r"Plumbline is on (http://\S+)", line):
            address = found[1]
            break
    yield process, address
    if process.poll() is None:
        process.kill()
    process.wait()
    process.stderr.close()


def gone(children: list[psutil.Process]) -> bool:
    _, alive = psutil.wait_procs(children, timeout=20)
    return not alive


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_it_serves_and_leaves_no_process_behind_however_it_ends(
    serving: tuple[subprocess.Popen[str], str], number: signal.Signals
) -> None:
    process, address = serving
    assert httpx.get(f"{address}/healthz").json()["status"] == "ok"  # once, and at once: it is told when it answers
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    process.send_signal(number)
    process.wait(timeout=30)
    assert gone(children)


def test_the_address_is_told_when_the_app_has_started_and_its_socket_listens() -> None:
    told: list[str] = []

    async def app(scope: dict[str, str], receive: Receive, send: Send) -> None:
        assert scope["type"] == "lifespan"
        await receive()
        told.append("the app starts")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(listener.getsockname())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    def announce() -> None:
        socket.create_connection(listener.getsockname()).close()
        told.append("it listens")
        server.should_exit = True

    listener = listen("127.0.0.1", 0)
    server = server_that_tells(uvicorn.Config(app, log_config=None), announce)
    server.run(sockets=[listener])
    assert told == ["the app starts", "it listens"]


def test_an_address_is_not_told_when_the_app_does_not_start() -> None:
    async def app(_scope: dict[str, str], receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no"})

    told: list[str] = []
    with listen("127.0.0.1", 0) as listener, pytest.raises(SystemExit):
        server_that_tells(uvicorn.Config(app, log_config=None), lambda: told.append("told")).run(sockets=[listener])
    assert told == []


@pytest.mark.parametrize(("file", "said"), [("mkdocs.yml", "make site"), ("other", "plumb up --site")])
def test_what_is_to_be_done_about_a_missing_site_depends_on_whether_a_builder_is_here(
    tmp_path: Path, file: str, said: str
) -> None:
    (tmp_path / file).touch()
    assert said in how_to_build(tmp_path)


def test_a_taken_port_is_said_before_anything_starts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(main, ["up", "--port", str(port)])
    assert result.exit_code == 1
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in result.output
    assert "make up PORT=" in result.output


def test_a_package_without_the_web_part_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plumbline.cli.up.find_spec", lambda name: None if name == "uvicorn" else name)
    result = CliRunner().invoke(main, ["up", "--port", "0"])
    assert result.exit_code == 1
    assert "needs uvicorn: pip install 'plumbline[web,streaming]'" in result.output


@pytest.mark.parametrize(("key", "said"), [(True, "are no certificate and its key in PEM"), (False, "needs both")])
def test_a_certificate_that_is_none_is_said_before_anything_starts(tmp_path: Path, key: bool, said: str) -> None:
    (tmp_path / "a.pem").write_text("no certificate")
    words = ["--tls-cert", str(tmp_path / "a.pem"), *(["--tls-key", str(tmp_path / "a.pem")] if key else [])]
    result = CliRunner().invoke(main, ["up", "--port", "0", *words])
    assert result.exit_code == 2
    assert said in result.output


def test_a_remote_bind_is_refused_and_says_what_it_needs() -> None:
    result = CliRunner().invoke(main, ["up", "--host", "0.0.0.0"])
    assert result.exit_code == 2
    assert "--token-file" in result.output
    assert "--tls-cert" in result.output


def test_a_short_token_is_refused(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc12\n")
    result = CliRunner().invoke(main, ["up", "--token-file", str(tmp_path / "token")])
    assert result.exit_code == 2
    assert "has 5 characters, it needs 16 or more" in result.output
    assert "abc12" not in result.output


def test_a_folder_that_is_no_catalogue_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["--catalogue", str(tmp_path), "up"])
    assert result.exit_code == 2
    assert "is no catalogue" in result.output
