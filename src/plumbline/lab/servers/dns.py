"""A name server that knows few names, and is slow or deaf when told to be: A records over UDP, and over TCP.

Configuration: `names` (name → IPv4 address), `delay_s`, `lose` (share of questions that get no answer, 0 to 1).
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from typing import cast

from plumbline.lab.servers.http import Config, arguments, log

_DEFAULTS = {"names": {}, "delay_s": 0.0, "lose": 0.0}
_A, _IN, _NO_NAME, _TTL_S = 1, 1, 3, 1


def reply(question: bytes, names: dict[str, str]) -> bytes:
    """Return the answer to a DNS question (RFC 1035, 4.1); empty if it is none.

    Args:
        question: The packet.
        names: What is known.
    """
    if len(question) < 17 or question[2] & 0x80:
        return b""
    labels, place = [], 12
    while place < len(question) and (length := question[place]):
        labels.append(question[place + 1 : place + 1 + length].decode("latin-1").lower())
        place += 1 + length
    place += 5  # the root's length, type, class
    if place > len(question):
        return b""
    kind = struct.unpack_from("!H", question, place - 4)[0]
    address = names.get(".".join(labels))
    answers = b""
    if address is not None and kind == _A:
        answers = struct.pack("!HHHIH", 0xC00C, _A, _IN, _TTL_S, 4) + socket.inet_aton(address)
    flags = 0x8180 | (0 if address is not None else _NO_NAME)
    return question[:2] + struct.pack("!HHHHH", flags, 1, bool(answers), 0, 0) + question[12:place] + answers


class Names:
    """Answers, as slowly as its configuration says."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.tasks: set[asyncio.Task[None]] = set()
        self._random = random.Random(13)  # noqa: S311 - which question is lost, no secret

    async def answer(self, question: bytes) -> bytes:
        """Return the answer, after the delay; empty if it is to be lost."""
        await asyncio.sleep(self.config["delay_s"])
        if self._random.random() < self.config["lose"]:
            return b""
        return reply(question, self.config["names"])


class Udp(asyncio.DatagramProtocol):
    """Takes questions over UDP."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note where to send."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer one, without holding up others."""

        async def answer() -> None:
            told = await self.names.answer(data)
            if told and self._transport is not None:
                self._transport.sendto(told, addr)

        task = asyncio.create_task(answer())
        self.names.tasks.add(task)
        task.add_done_callback(self.names.tasks.discard)


async def serve(port: int, config: Config) -> None:
    """Serve over both, for ever."""
    names = Names(config)

    async def tcp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            told = await names.answer(await reader.readexactly(length))
            if told:
                writer.write(struct.pack("!H", len(told)) + told)
                await writer.drain()
        writer.close()

    await asyncio.get_running_loop().create_datagram_endpoint(lambda: Udp(names), ("127.0.0.1", port))
    server = await asyncio.start_server(tcp, "127.0.0.1", port)
    log(f"INFO name server on 127.0.0.1:{port}")
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    place, file = arguments()
    asyncio.run(serve(place, Config(file, _DEFAULTS)))
