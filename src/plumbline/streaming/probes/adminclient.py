"""Ask a gateway's admin socket: one JSON line there, one JSON line back. Standard library only, so cheap to import."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LONGEST = 100  # bytes of a socket's path: sun_path has 108 on Linux, 104 on macOS
ANSWER_LIMIT = 16 << 20  # bytes; 200 closes and 50 queues are some 40 KB


class AdminError(Exception):
    """The admin socket could not be asked, or refused.

    Args:
        kind: `unreachable`, `permission`, `timeout`, `malformed` or `refused`.
        sentence: What was tried and what went wrong.
    """

    def __init__(self, kind: str, sentence: str) -> None:
        self.kind = kind
        self.sentence = sentence
        super().__init__(sentence)


def ask(path: str | os.PathLike[str], request: dict[str, Any], timeout_s: float = 5.0) -> Any:
    """Send one request and return the answer's `result`.

    Args:
        path: The admin socket.
        request: `{"get": "stats"}` (or `settings`, `queues`, `closes`), or `{"set": {key: value}}`.
        timeout_s: For the whole exchange, per step, in seconds.

    Raises:
        AdminError: There is no gateway, no permission, no answer in time, or the gateway refused.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(timeout_s)
            with _short(path) as address:
                link.connect(address)
            link.sendall(json.dumps(request).encode() + b"\n")
            line = _line(link)
    except TimeoutError:
        raise AdminError("timeout", f"the gateway at {path} did not answer within {timeout_s:g} s") from None
    except PermissionError:
        raise AdminError("permission", f"{path} belongs to another user; run this as the gateway's user") from None
    except OSError as error:
        raise AdminError("unreachable", _unreachable(path, error)) from None
    return result(path, line)


@contextmanager
def _short(path: str | os.PathLike[str]) -> Iterator[str]:
    """Give a name of the socket that the kernel takes: who listens may have named a long path by its end alone."""
    whole = os.fspath(path)
    if len(os.fsencode(whole)) <= LONGEST or sys.platform != "linux":
        yield whole
        return
    folder = os.open(os.path.dirname(whole), os.O_PATH | os.O_DIRECTORY)  # noqa: PTH120 - as the string it is
    try:
        yield f"/proc/self/fd/{folder}/{os.path.basename(whole)}"  # noqa: PTH119 - the same
    finally:
        os.close(folder)


def _line(link: socket.socket) -> bytes:
    got = bytearray()
    while not got.endswith(b"\n"):
        piece = link.recv(65536)
        if not piece or len(got) > ANSWER_LIMIT:
            break
        got += piece
    return bytes(got)


def _unreachable(path: str | os.PathLike[str], error: OSError) -> str:
    if not Path(path).exists():
        return f"there is no admin socket at {path}; is the gateway running, and is this the path of its --admin?"
    return f"no gateway listens on {path} ({error.strerror or error})"


def result(path: str | os.PathLike[str], line: bytes) -> Any:
    """Return the result in an answer's line.

    Raises:
        AdminError: The gateway refused, or this is no answer.
    """
    try:
        answer = json.loads(line)
        if answer["ok"] is True:
            return answer["result"]
        sentence = str(answer["error"])
    except (ValueError, TypeError, KeyError):
        raise AdminError("malformed", f"{path} answered something that is not a gateway's answer") from None
    raise AdminError("refused", sentence)
