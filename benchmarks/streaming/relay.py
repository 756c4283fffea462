"""What the relay costs: messages a second from one worker through the supervisor to all, and CPU time of each process.

    python benchmarks/streaming/relay.py [--quick] [--workers 1 2 4] [--messages 100000]

Processes are real, sockets are those of the supervisor, the broker is the supervisor's; there are no clients, so that
only the relay is measured. Figures are kept when the numbers of workers are those of the whole table.

Bounds: 512 messages of 128 bytes under way; publisher and readers share the machine's cores.
"""

import argparse
import asyncio
import json
import os
import resource
import socket
import subprocess
import sys
import time

import common
import uvloop

from plumbline.streaming import Settings
from plumbline.streaming.core.broker import BrokerError, Position
from plumbline.streaming.core.local import LocalBroker
from plumbline.streaming.workers.relay import RelayBroker
from plumbline.streaming.workers.relay_server import RelayServer

WINDOW = 512  # messages that the publisher has on their way
WORKERS = [1, 2, 4]


def cpu_s() -> float:
    """Return the CPU time that this process has used, in seconds."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Worker:
    """One worker: attached to the channel; the first one publishes."""

    def __init__(self, fd: int, number: int, messages: int, size: int) -> None:
        self.broker = RelayBroker(socket.socket(fileno=fd))
        self.number, self.messages = number, messages
        self.data = b'"' + b"x" * (size - 2) + b'"'
        self.got = self.asked = self.answered = 0
        self.done = asyncio.Event()

    def arrived(self, _channel: str, _position: Position, _data: bytes) -> None:
        """Count a message."""
        self.got += 1
        if self.got == self.messages:
            self.done.set()

    def interrupted(self, _channel: str | None, because: str) -> None:
        """Give up: what is lost cannot be measured."""
        raise SystemExit(f"interrupted: {because}")

    def publish(self, told: Position | BrokerError | None = None) -> None:
        """Keep `WINDOW` messages on their way."""
        if told is not None:
            self.answered += 1
        while self.asked < self.messages and self.asked - self.answered < WINDOW:
            self.asked += 1
            self.broker.publish("bench", self.data, None, self.publish)

    async def run(self) -> None:
        """Wait for the word to go, then count until all messages are here."""
        await self.broker.start(self)
        ready = asyncio.Event()
        self.broker.attach("bench", lambda _: ready.set())
        await ready.wait()
        print("ready", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        began, used = time.perf_counter(), cpu_s()
        if self.number == 0:
            self.publish()
        await self.done.wait()
        print(json.dumps({"wall_s": time.perf_counter() - began, "cpu_s": cpu_s() - used}), flush=True)


async def begin(server: RelayServer, workers: int, messages: int, size: int) -> list[subprocess.Popen[str]]:
    """Start the workers, and wait until each is attached to the channel."""
    loop = asyncio.get_running_loop()
    children = []
    for number in range(workers):
        ours, theirs = socket.socketpair()
        words = [sys.executable, __file__, "--inside", str(theirs.fileno()), str(number), str(messages), str(size)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        children.append(subprocess.Popen(words, pass_fds=[theirs.fileno()], **pipes))  # noqa: ASYNC220 - nothing else runs yet
        theirs.close()
        await server.serve(ours, f"worker-{number}")
    for child in children:
        assert await loop.run_in_executor(None, child.stdout.readline) == "ready\n"
    return children


async def told(children: list[subprocess.Popen[str]]) -> list[dict[str, float]]:
    """Give the word to go, the publisher last; return what each worker measured."""
    loop = asyncio.get_running_loop()
    for child in reversed(children):
        child.stdin.write("go\n")
        child.stdin.flush()
    return [json.loads(await loop.run_in_executor(None, child.stdout.readline)) for child in children]


async def measure(workers: int, messages: int, size: int) -> dict[str, float | None]:
    """Print one row, and return it."""
    loop = asyncio.get_running_loop()
    server = RelayServer(LocalBroker(Settings(history_messages=100), "bench", loop.time))
    await server.start()
    children = await begin(server, workers, messages, size)
    links = [session.link for session in server.sessions]  # kept, since a session goes with its worker
    used, writes = cpu_s(), sum(link.writes for link in links)
    measured = await told(children)
    used, writes = cpu_s() - used, sum(link.writes for link in links) - writes
    for child in children:
        child.wait()
        child.stdin.close()
        child.stdout.close()
    await server.stop()
    per = 1e6 / messages
    readers = [one["cpu_s"] * per for one in measured[1:]]
    row = {
        "workers": workers,
        "messages_per_s": messages / max(one["wall_s"] for one in measured),
        "supervisor_us": used * per,
        "worker_us": used * per / workers,
        "publisher_us": measured[0]["cpu_s"] * per,
        "reader_us": sum(readers) / len(readers) if readers else None,
        "messages_per_write": messages * workers / writes,
    }
    cells = (f"{value:,.1f}" if isinstance(value, float) else str(value) for value in row.values())
    print("| " + " | ".join(cells) + " |", flush=True)
    return {name: round(value, 2) if isinstance(value, float) else value for name, value in row.items()}


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few messages: checks that it works")
    parser.add_argument("--workers", type=int, nargs="+", default=WORKERS)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--size", type=int, default=128, help="bytes of JSON text")
    parser.add_argument("--inside", type=int, nargs=4, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.inside:
        uvloop.run(Worker(*asked.inside).run())
        return
    started, messages = time.time(), 2000 if asked.quick else asked.messages
    print(f"{messages:,} messages of {asked.size} bytes, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    print(
        "| workers | messages/s | supervisor us/message | us/message and worker | publisher us | reader us "
        "| messages/write |"
    )
    print("|---|---|---|---|---|---|---|")
    rows = [uvloop.run(measure(workers, messages, asked.size)) for workers in asked.workers]
    if asked.workers == WORKERS:
        common.save("relay", asked.quick, started, rows, bounds={"messages": messages, "bytes": asked.size})


if __name__ == "__main__":
    main()
