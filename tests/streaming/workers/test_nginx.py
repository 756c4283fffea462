"""nginx with the configuration of the page on load balancing, in front of two gateways."""

import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[3] / "docs/infrastructure/load-balancing.md").read_text()
[CONFIG] = re.findall(r"^``` \{\.nginx #nginx-conf\}\n([\s\S]*?)^```$", PAGE, re.MULTILINE)
PATIENCE_S = 30


def answers(port):
    """Say whether somebody listens."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def nginx(front, tmp_path, until):
    """Run nginx in front of the gateways that HAProxy serves too; yields its WebSocket address and the gateways."""
    proxy, gateways = front
    port = proxy.port + 1 if proxy.port < 65_000 else proxy.port - 1
    text = CONFIG.replace("127.0.0.1:8080", f"127.0.0.1:{port}")
    for shown, gateway in zip(("127.0.0.1:8765", "127.0.0.1:8766"), gateways, strict=True):
        assert shown in text
        text = text.replace(shown, gateway.address)
    here = f"pid {tmp_path}/nginx.pid;\ndaemon off;\nerror_log {tmp_path}/nginx.log;\n"
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    folders = "\n".join(f"{kind}_temp_path {tmp_path}/{kind};" for kind in kinds)
    text = text.replace("http {", f"http {{\naccess_log off;\n{folders}")
    file = tmp_path / "nginx.conf"
    file.write_text(here + text)
    child = subprocess.Popen(["nginx", "-p", str(tmp_path), "-c", str(file)])
    until(lambda: answers(port), "nginx")
    yield f"ws://127.0.0.1:{port}/", gateways
    child.terminate()
    child.wait(PATIENCE_S)


@pytest.mark.skipif(not (shutil.which("nginx") and shutil.which("haproxy")), reason="needs nginx and haproxy")
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
