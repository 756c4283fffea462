import shutil
import socket
import subprocess
from contextlib import closing, contextmanager, suppress

import pytest
from lane_parts import addresses_of, lane_of, launch, wait_until

from plumbline.deployment.core.errors import UnavailableError
from plumbline.deployment.lanes.frontdoor import Address, FrontDoor, configuration
from plumbline.deployment.lanes.haproxy import Proxy
from plumbline.deployment.lanes.strict import Strict


@pytest.fixture
def ports():
    """Free at the moment; asked for together, so that they differ."""
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(5)]
    numbers = [one.getsockname()[1] for one in taken]
    for one in taken:
        one.close()
    return numbers


class Front:
    def __init__(self, folder, port, ports):
        self.port, self.socket = port, folder / "proxy.sock"
        state = folder / "lane/servers.state"
        state.parent.mkdir()
        state.write_text("1\n")  # the form of the file; no states yet
        door = FrontDoor(Address("127.0.0.1", port), str(self.socket), str(state), max_connections=400, longest_s=20)
        self.file = folder / "haproxy.cfg"
        self.file.write_text(configuration(door, addresses_of(ports)))
        self.proxy = Proxy(self.socket)
        self.start()

    def start(self):
        self.child = subprocess.Popen(["haproxy", "-db", "-f", self.file], stderr=subprocess.DEVNULL)
        wait_until(self._answers, "HAProxy")

    def _answers(self):
        with suppress(UnavailableError):
            return self.proxy.ask("show info")

    def stop(self):
        self.child.kill()
        self.child.wait()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/v2/models/churn/infer"


@pytest.fixture
def front(tmp_path, ports):
    if not shutil.which("haproxy"):
        pytest.fail("these tests need haproxy")
    front = Front(tmp_path, ports[4], ports[:4])
    yield front
    front.stop()


@pytest.fixture
def make_lane(tmp_path, ports):
    made = []

    def make(how=launch, **settings):
        made.append(lane_of(tmp_path, ports[:4], how, **settings))
        return made[-1]

    yield make
    for lane in made[:1] or [make()]:
        for group in lane._groups:
            group._grace_s = 1
            group.stop()


@pytest.fixture
def lane(front, make_lane):
    return make_lane()


@pytest.fixture
def load(front):
    @contextmanager
    def under(**settings):
        with Strict(front.url, b'{"inputs":[]}', wrong=_wrong, **settings) as client:
            yield client

    return under


def _wrong(answer):
    return None if answer.version.encode() in answer.body else "wrong body"


@pytest.fixture
def port():
    with closing(socket.create_server(("127.0.0.1", 0))) as held:
        return held.getsockname()[1]
