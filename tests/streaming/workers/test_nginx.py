"""nginx with the configuration of the page on load balancing, in front of two gateways."""

import re
import socket
import subprocess
from pathlib import Path

import pytest

from plumbline.lab.parts.ports import free_port

PAGE = (Path(__file__).parents[3] / "docs/infrastructure/load-balancing.md").read_text()
[CONFIG] = re.findall(r"^``` \{\.nginx #nginx-conf\}\n([\s\S]*?)^```$", PAGE, re.MULTILINE)
PATIENCE_S = 30


def answers(port):
    """Say whether somebody listens."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def configured(folder, port, gateways):
    """Write the page's configuration with these addresses, and all its files in one folder."""
    text = CONFIG.replace("127.0.0.1:8080", f"127.0.0.1:{port}")
    for shown, gateway in zip(("127.0.0.1:8765", "127.0.0.1:8766"), gateways, strict=True):
        assert shown in text
        text = text.replace(shown, gateway.address)
    here = f"pid {folder}/nginx.pid;\ndaemon off;\nerror_log {folder}/nginx.log;\n"
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    folders = "\n".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    file = folder / "nginx.conf"
    file.write_text(here + text.replace("http {", f"http {{\naccess_log off;\n{folders}"))
    return file


def listening(folder, gateways, until):
    """Start nginx on a free port; return its process and the port."""
    while True:
        port = free_port()
        child = subprocess.Popen(["nginx", "-p", str(folder), "-c", str(configured(folder, port, gateways))])
        until(lambda: child.poll() is not None or answers(port), "nginx")  # noqa: B023 - called at once
        if child.poll() is None:
            return child, port
        said = (folder / "nginx.log").read_text()
        assert "Address already in use" in said, said  # somebody else took the port


@pytest.fixture
def nginx(front, tmp_path, until):
    """Run nginx in front of the gateways that HAProxy serves too; yields its WebSocket address and the gateways."""
    _, gateways = front
    child, port = listening(tmp_path, gateways, until)
    yield f"ws://127.0.0.1:{port}/", gateways
    child.terminate()
    child.wait(PATIENCE_S)


def test_clients_are_spread_and_leave_a_gateway_that_drains(nginx, reader, until):
    url, (first, second) = nginx
    readers = [reader(url, 1, channel=str(number)) for number in range(10)]
    assert all(one.subscribed.wait(PATIENCE_S) for one in readers)
    assert first.connections + second.connections == 10
    assert abs(first.connections - second.connections) <= 4  # each nginx worker counts for itself
    first.child.terminate()
    assert first.child.wait(PATIENCE_S) == 0
    until(lambda: second.connections == 10)
    assert "lost=0" in first.log_path.read_text()
    assert {end for one in readers for end in one.ends} <= {1012}


def test_the_page_says_more_patience_than_a_heartbeat():
    [patience] = re.findall(r"proxy_read_timeout (\d+)s", CONFIG)
    assert int(patience) > 2 * 25
