"""Real nats-server processes on free ports, killed and started again at will."""

import pytest
from cluster.natslab import Server


@pytest.fixture
def nats(tmp_path):
    """Return a function that starts a nats-server with JetStream; it is killed after the test."""
    running = []

    def begin(**options):
        one = Server(tmp_path / f"nats{len(running)}", **options)
        running.append(one)
        one.start()
        return one

    yield begin
    for one in running:
        one.kill()
