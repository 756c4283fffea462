"""What a gateway at home does every few seconds: leave a canary for the mirrors, and keep attended channels alive."""

from __future__ import annotations

import contextlib

from plumbline.streaming.cluster.attended import AttendedChannels
from plumbline.streaming.cluster.link import Link
from plumbline.streaming.cluster.streams import SECOND, Copy
from plumbline.streaming.cluster.writer import Writer
from plumbline.streaming.core.broker import BrokerError

TOUCHES = 200  # marks stored in one turn of the check


async def sing(link: Link, copy: Copy, node: str) -> None:
    """Leave a canary in the stream: its age in a mirror is the mirror's age.

    Raises:
        BrokerError: It was not stored.
    """
    await link.request(f"{copy.entrance}.canary.{node}", b"", {"Nats-Rollup": "sub"})


async def touch(attended: AttendedChannels, writer: Writer, copy: Copy, now: float) -> None:
    """Keep channels from being forgotten that are quiet but attended."""
    idle_ns = copy.config["max_age"]
    if not idle_ns:
        return
    for channel, head in attended.quiet(now - idle_ns / SECOND / 2)[:TOUCHES]:
        with contextlib.suppress(BrokerError):
            await writer.touch(channel, head)
