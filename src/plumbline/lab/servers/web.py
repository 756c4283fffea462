"""Any server: the victim of problems that are not a gateway's own.

| Path | Does |
|---|---|
| `/healthz` | answers |
| `/work?ms=5` | uses the processor for so many milliseconds of its own time |
| `/write?bytes=1000` | keeps a new file in `data`, as a server that takes uploads does; 507 if there is no room |
| `/lookup` | resolves `upstream_host` and gets `upstream_path` from there, port `upstream_port` |
| `/token` | gets a token from `time_url` and verifies it, with `leeway_s`; 401 if it is not valid at this moment |

With `access_log` it keeps one line per request there, in a file that stays open.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import jwt

from plumbline.lab.servers.clock import SECRET
from plumbline.lab.servers.http import Answer, Config, arguments, listen, log
from plumbline.lab.servers.upstream import fetch

_DEFAULTS = {
    "data": ".",
    "access_log": "",
    "upstream_host": "127.0.0.1",
    "upstream_port": 80,
    "upstream_path": "/",
    "time_url": "",
    "leeway_s": 0.0,
}


class Web:
    """The server.

    Args:
        config: Its values.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self._files = itertools.count(1)
        log_file = config["access_log"]
        self._access: TextIO | None = open(log_file, "a", buffering=1) if log_file else None  # noqa: PTH123, SIM115 - stays open

    async def handle(self, path: str, query: dict[str, str]) -> Answer:
        """Answer a request, and note it."""
        answer = await self.answer(path, query)
        if self._access is not None:
            with contextlib.suppress(OSError):  # as web servers do: a full disk stops the log, not the service
                self._access.write(f"{datetime.now(UTC).isoformat()} GET {path} {answer.status}\n")
        return answer

    async def answer(self, path: str, query: dict[str, str]) -> Answer:
        """Answer a request."""
        match path:
            case "/" | "/healthz":
                return Answer(200, {"ok": True})
            case "/work":
                return work(float(query.get("ms", "5")) / 1000)
            case "/write":
                return self.write(int(query.get("bytes", "1000")))
            case "/lookup":
                return await self.lookup()
            case "/token":
                return await self.token()
        return Answer(404, {"error": f"no {path}"})

    def write(self, length: int) -> Answer:
        """Keep a file."""
        path = Path(self.config["data"]) / f"{os.getpid()}-{next(self._files)}.dat"
        try:
            path.write_bytes(b"x" * length)
        except OSError as error:
            path.unlink(missing_ok=True)
            log(f"ERROR cannot write {path}: [Errno {error.errno}] {error.strerror}")
            return Answer(507 if error.errno in (errno.ENOSPC, errno.EDQUOT) else 500, {"error": error.strerror})
        return Answer(200, {"path": str(path)})

    async def lookup(self) -> Answer:
        """Ask the upstream, by its name."""
        host, port = self.config["upstream_host"], self.config["upstream_port"]
        began = time.monotonic()
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port)
        except OSError as error:
            log(f"ERROR cannot resolve {host}: {error}")
            return Answer(502, {"error": str(error)})
        took_s = time.monotonic() - began
        if took_s > 1.0:
            log(f"WARNING resolving {host} took {took_s:.1f} s")
        status, _ = await fetch(f"http://{found[0][4][0]}:{port}{self.config['upstream_path']}")
        return Answer(200 if status < 400 else 502, {"resolved_s": took_s, "status": status})

    async def token(self) -> Answer:
        """Verify a token that was issued just now, by the clock of who issued it."""
        _, told = await fetch(f"{self.config['time_url'].rstrip('/')}/token")
        try:
            issued, leeway_s = json.loads(told["body"])["token"], float(self.config["leeway_s"])
            claims = jwt.decode(issued, SECRET, algorithms=["HS256"], leeway=leeway_s)
        except jwt.InvalidTokenError as error:
            log(f"WARNING token refused: {type(error).__module__}.{type(error).__name__}: {error}")
            return Answer(401, {"error": str(error)})
        return Answer(200, {"sub": claims["sub"]})


def work(seconds: float) -> Answer:
    """Use so much processor time of this thread."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(200))
    return Answer(200, {"worked_s": seconds})


def main() -> None:
    """Serve until killed."""
    port, path = arguments()
    asyncio.run(listen(port, Web(Config(path, _DEFAULTS)).handle))


if __name__ == "__main__":
    main()
