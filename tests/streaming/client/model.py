"""What a gateway would do with a session's commands, and what a reader must see of it."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise

from plumbline.streaming.client.events import Gap, Message


@dataclass
class Channel:
    epoch: int = 1
    log: list[str] = field(default_factory=list)
    kept_from: int = 1  # offset of the oldest message in history
    keys: dict[str, int] = field(default_factory=dict)

    @property
    def name(self):
        return f"e{self.epoch}"


class Model:
    """What the gateway would do; the test decides what arrives, and when."""

    def __init__(self):
        self.channels: dict[str, Channel] = {}
        self.truth: dict[tuple[str, str, int], str] = {}  # (channel, epoch, offset) -> value
        self.to_server: deque[str] = deque()
        self.to_client: deque[dict] = deque()
        self.readers: set[str] = set()
        self.connected = False
        self.refuse_next = None
        self.max_subscriptions = 100

    def connect(self):
        self.connected = True
        self.to_client.append({"hello": {"client": "c", "version": 2, "max_message_bytes": 1000, "max_batch": 3}})

    def drop(self):
        self.connected = False
        self.to_server.clear()
        self.to_client.clear()
        self.readers.clear()

    def channel(self, name):
        return self.channels.setdefault(name, Channel())

    def publish(self, name, value, key=None):
        channel = self.channel(name)
        if key is not None and key in channel.keys:
            return channel.keys[key]
        channel.log.append(value)
        offset = len(channel.log)
        self.truth[name, channel.name, offset] = value
        if key is not None:
            channel.keys[key] = offset
        if name in self.readers:
            self.to_client.append({"channel": name, "offset": offset, "data": value})
        return offset

    def new_epoch(self, name):
        """The stream is made anew: readers are told, offsets start again."""
        channel = self.channel(name)
        self.channels[name] = Channel(channel.epoch + 1)
        self.end(name)

    def end(self, name):
        if name in self.readers:
            self.readers.discard(name)
            self.to_client.append(
                {"channel": name, "ended": {"code": "insufficient-state", "message": "x", "again": True}}
            )

    def forget(self, name):
        channel = self.channel(name)
        channel.kept_from = len(channel.log) + 1

    def serve_one(self):
        """Take one message of the client's and answer what it holds."""
        told = json.loads(self.to_server.popleft())
        for command in told if isinstance(told, list) else [told]:
            self.answer(command)

    def answer(self, command):
        request = command["id"]
        if self.refuse_next:
            error, self.refuse_next = self.refuse_next, None
            self.to_client.append({"id": request, "error": error})
        elif "subscribe" in command:
            self.subscribe(request, command)
        elif "unsubscribe" in command:
            self.readers.discard(command["unsubscribe"])
            self.to_client.append({"id": request, "ok": True})
        elif "publish" in command:
            offset = self.publish(command["publish"], command["data"], command["key"])
            epoch = self.channel(command["publish"]).name
            self.to_client.append({"id": request, "ok": True, "epoch": epoch, "offset": offset})

    def subscribe(self, request, command):
        name = command["subscribe"]
        if name not in self.readers and len(self.readers) >= self.max_subscriptions:
            error = {"code": "too-many-subscriptions", "message": "x"}
            self.to_client.append({"id": request, "error": error})
            return
        assert name not in self.readers, "the client subscribes twice to one channel"
        self.readers.add(name)
        channel, since = self.channel(name), command.get("since")
        answer = {"id": request, "ok": True, "epoch": channel.name, "offset": len(channel.log)}
        missed = []
        if since:
            known = since["epoch"] == channel.name and channel.kept_from - 1 <= since["offset"] <= len(channel.log)
            offsets = range(since["offset"] + 1, len(channel.log) + 1) if known else ()
            if command.get("mode") == "latest":
                offsets = tuple(offsets)[-1:]
            missed = [{"channel": name, "offset": n, "data": channel.log[n - 1]} for n in offsets]
            answer |= {"recovered": known, "messages": len(missed)}
        self.to_client.append(answer)
        self.to_client.extend(missed)

    def swap_answers(self):
        """Answers to different requests may overtake each other."""
        at = [n for n, told in enumerate(self.to_client) if "id" in told]
        for first, second in pairwise(at):
            if second == first + 1:
                queue = self.to_client
                queue[first], queue[second] = queue[second], queue[first]
                return


class View:
    """What one reader saw of one channel."""

    def __init__(self, channel, truth):
        self.channel = channel
        self.truth = truth
        self.at = None
        self.gaps = 0

    def live(self, action):
        if self.at is None:
            self.at = action.position

    def event(self, event):
        if isinstance(event, Gap):
            assert event.since == self.at, "a gap begins where the reader stood"
            self.at = event.until
            self.gaps += 1
            return
        assert isinstance(event, Message)
        here = event.position
        assert self.at is not None, "a message before the subscription stood"
        assert here.epoch == self.at.epoch, "the epoch changed without a gap"
        if self.channel == "l":
            assert here.offset > self.at.offset, "an older message came after a newer one"
        else:
            assert here.offset == self.at.offset + 1, "a message is missing or came twice"
        assert self.truth[self.channel, here.epoch, here.offset] == event.data
        self.at = here
