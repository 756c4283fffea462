"""`plumb up`: says where it serves, refuses to be opened too wide, and takes everything down with it."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from click.testing import CliRunner

from plumbline.cli.main import main

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


def answered(address: str) -> dict[str, object]:
    """Ask until it answers: the address is printed just before the first request is taken."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return dict(httpx.get(f"{address}/healthz").json())
        except httpx.ConnectError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def gone(children: list[psutil.Process]) -> bool:
    _, alive = psutil.wait_procs(children, timeout=20)
    return not alive


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_it_serves_and_leaves_no_process_behind_however_it_ends(
    serving: tuple[subprocess.Popen[str], str], number: signal.Signals
) -> None:
    process, address = serving
    assert answered(address)["status"] == "ok"
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    process.send_signal(number)
    process.wait(timeout=30)
    assert gone(children)


def test_a_taken_port_is_said_before_anything_starts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(main, ["up", "--port", str(port)])
    assert result.exit_code == 1
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in result.output
    assert "make up PORT=" in result.output


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
