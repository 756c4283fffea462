"""A server that leaves lets in whom the kernel has let in already."""

from __future__ import annotations

import asyncio
import socket

from plumbline.deployment.serving.running import Running


def test_who_waits_at_the_door_when_it_closes_is_answered(options):
    running = Running(options())
    running.config.load()

    async def leaving() -> tuple[bytes, int]:
        door = socket.create_server(("127.0.0.1", 0))
        reader, writer = await asyncio.open_connection(*door.getsockname())
        writer.write(b"GET /v2/health/live HTTP/1.1\r\nHost: here\r\n\r\n")
        await running._let_in(door)
        answer = await reader.readline()
        writer.close()
        return answer, door.fileno()

    answer, left = asyncio.run(leaving())
    assert answer == b"HTTP/1.1 200 OK\r\n"
    assert left == -1
