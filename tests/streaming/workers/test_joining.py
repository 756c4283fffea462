"""A worker that is added gets connections from the moment it can serve them, and not before."""

import os
import signal
import socket
import threading

from plumbline.streaming.core.address import Address
from plumbline.streaming.workers.listeners import Listeners


def test_while_a_new_worker_starts_nobody_waits_for_it(fleet, until):
    gateway = fleet("--workers", "1")
    scaling = threading.Thread(target=lambda: gateway.ask(scale=2))
    scaling.start()
    [starting] = until(lambda: [row for row in gateway.rows() if row["state"] == "starting" and row["pid"]])
    os.kill(starting["pid"], signal.SIGSTOP)  # it takes as long as one likes
    try:
        gateway.connect(40)  # about half of them would go to a second listener, and wait
        assert gateway.rows()[0]["connections"] == 40
    finally:
        os.kill(starting["pid"], signal.SIGCONT)
    scaling.join(60)
    gateway.settled(2)
    gateway.connect(40)
    until(lambda: gateway.rows()[1]["connections"] > 0)


def test_a_socket_for_a_worker_is_bound_and_listens_only_when_that_worker_says_so():
    listeners = Listeners(Address("127.0.0.1", 0), 16, spread=True)
    with listeners.open() as one, listeners.open() as other:
        where = (listeners.address.host, listeners.address.port)
        assert one.getsockname() == other.getsockname() == where
        with socket.socket() as client:
            assert client.connect_ex(where) != 0  # nobody serves
        one.listen(16)
        with socket.create_connection(where), socket.create_connection(where):
            pass
    listeners.close()
