"""Subscribe, then stop reading: a lid that was closed, a debugger that stopped, a consumer stuck in its database.

A client that does not read does not see that it was closed either, unless the server resets the connection. With
`--wake` it reads up what has come from time to time; if it was closed, it comes back and stalls again.
"""

from __future__ import annotations

import json
import select
import socket
import time
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.protocol import State
from websockets.uri import parse_uri

from plumbline.lab.clients.options import parser

_GONE = select.POLLERR | select.POLLHUP | getattr(select, "POLLRDHUP", 0)


def stall(url: str, channels: list[str], receive_buffer: int, timeout_s: float) -> socket.socket:
    """Return a connection that has subscribed and will not read again.

    Args:
        url: The server.
        channels: What to subscribe to.
        receive_buffer: `SO_RCVBUF`, in bytes: a small one fills soon.
        timeout_s: For connect and upgrade, in seconds.

    Raises:
        OSError: The server refuses or does not answer.
    """
    parts = urlsplit(url)
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)  # before connect: it sets the window
    sock.settimeout(timeout_s)
    try:
        sock.connect((parts.hostname, parts.port))
        protocol = _upgraded(sock, url)
        for number, channel in enumerate(channels, 1):
            protocol.send_text(json.dumps({"id": number, "subscribe": channel}).encode())
            _send(sock, protocol)
    except BaseException:
        sock.close()
        raise
    return sock


def _upgraded(sock: socket.socket, url: str) -> ClientProtocol:
    protocol = ClientProtocol(parse_uri(url))
    protocol.send_request(protocol.connect())
    _send(sock, protocol)
    while protocol.state is State.CONNECTING and protocol.handshake_exc is None:
        data = sock.recv(4096)
        if data:
            protocol.receive_data(data)
        else:
            protocol.receive_eof()
    if protocol.state is not State.OPEN:
        raise ConnectionError(f"not upgraded: {protocol.handshake_exc}")
    return protocol


def _send(sock: socket.socket, protocol: ClientProtocol) -> None:
    for data in protocol.data_to_send():
        sock.sendall(data)


def closed(sock: socket.socket) -> bool:
    """Read up what has come; True if the other side has closed."""
    sock.settimeout(0.0)
    try:
        while sock.recv(65536):
            pass
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def hold(url: str, channels: list[str], count: int, receive_buffer: int, wake_s: float | None) -> None:
    """Keep so many stalled connections, for ever."""
    held: dict[int, socket.socket] = {}
    watch = select.poll()
    while True:
        while len(held) < count:
            try:
                sock = stall(url, channels, receive_buffer, 5.0)
            except OSError as error:
                print(f"cannot connect: {error}", flush=True)
                time.sleep(0.2)
                continue
            held[sock.fileno()] = sock
            watch.register(sock, _GONE)
        events = watch.poll(None if wake_s is None else wake_s * 1000)
        gone = [number for number, _ in events] or [number for number, sock in held.items() if closed(sock)]
        for number in gone:
            print("the server closed a stalled connection", flush=True)
            watch.unregister(number)
            held.pop(number).close()


def main() -> None:
    """Hold the stalled connections until killed."""
    options = parser(__doc__)
    options.add_argument("--channel", action="append", help="channel to subscribe to (again for more); default lab.0")
    options.add_argument("--count", type=int, default=1, help="number of stalled connections")
    options.add_argument("--receive-buffer", type=int, default=4096, metavar="BYTES")
    options.add_argument("--wake", type=float, metavar="S", help="read up what has come so often; default: never")
    arguments = options.parse_args()
    channels = arguments.channel or ["lab.0"]
    hold(arguments.url, channels, arguments.count, arguments.receive_buffer, arguments.wake)


if __name__ == "__main__":
    main()
