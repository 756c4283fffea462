"""The cache's two stores: this process's memory, and a JetStream stream that all processes of a region share."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from nats.aio.msg import Msg

from plumbline.streaming.cluster.link import Link
from plumbline.streaming.cluster.reading import block_of, kept_of, sequence_of, stored_at
from plumbline.streaming.cluster.records import Cached, Record
from plumbline.streaming.cluster.streams import ALONE, STREAM
from plumbline.streaming.cluster.subjects import PREFIX, stored, token
from plumbline.streaming.cluster.writer import WRONG_LAST
from plumbline.streaming.core.broker import Broker, BrokerError, Past

CACHE = "PLUMBLINE_CACHE"
HEADER = "Plumb-Cache"


class MemoryStore:
    """Keeps records in this process, the least lately used go first.

    Args:
        most_bytes: Bytes of all values together.
        broker: Whom to ask for channels' last values.
        clock: Returns seconds that only grow.
    """

    def __init__(
        self,
        most_bytes: int = 64 << 20,
        *,
        broker: Broker | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.most_bytes = most_bytes
        self.size = 0
        self._broker = broker
        self._clock = clock
        self._records: OrderedDict[str, tuple[Record, float]] = OrderedDict()
        self._leases: dict[str, tuple[int, float]] = {}  # until when
        self._writes = 0

    def __len__(self) -> int:
        return len(self._records)

    async def get(self, key: str) -> Record | None:
        """Return what is stored, if it is still of use."""
        found = self._records.get(key)
        if found is None:
            return None
        record = replace(found[0], age_s=self._clock() - found[1])
        if not record.usable:
            self._drop(key)
            return None
        self._records.move_to_end(key)
        return record

    async def put(self, key: str, record: Record, *, after: int | None) -> bool:
        """Store; with `after` only if the key's revision is still this one."""
        known = await self.get(key)
        if after is not None and (known.revision if known else 0) != after:
            return False
        self._drop(key)
        self._writes += 1
        self._records[key] = (replace(record, revision=self._writes), self._clock())
        self.size += len(record.value)
        while self.size > self.most_bytes:
            self._drop(next(iter(self._records)))
        return True

    async def claim(self, key: str, owner: str, lease_s: float) -> int | None:  # noqa: ARG002 - one process, one owner
        """Take the right to compute a key."""
        held = self._leases.get(key)
        if held is not None and held[1] > self._clock():
            return None
        self._writes += 1
        self._leases[key] = (self._writes, self._clock() + lease_s)
        return self._writes

    async def release(self, key: str, lease: int) -> None:
        """Give it back."""
        if self._leases.get(key, (0, 0.0))[0] == lease:
            del self._leases[key]

    async def last(self, channel: str) -> Cached | None:
        """Return the newest message of a channel that the broker keeps; it does not say how old it is."""
        if self._broker is None:
            raise BrokerError("refused", "this cache was made without a broker, so it knows no channels")
        told: asyncio.Future[Past | BrokerError] = asyncio.get_running_loop().create_future()
        self._broker.past(channel, None, 1, told.set_result)
        past = await told
        if isinstance(past, BrokerError):
            raise past
        return Cached(past.entries[-1].data, None) if past.entries else None

    def _drop(self, key: str) -> None:
        found = self._records.pop(key, None)
        if found is not None:
            self.size -= len(found[0].value)


class NatsStore:
    """Keeps records in NATS, in memory of its servers; the oldest go when it is full, each when it is of no use.

    Args:
        link: A connection, open.
        region: Whose cache; each region has its own, so that none waits for another.
        most_bytes: Of the whole cache, if it is made here.
    """

    def __init__(self, link: Link, *, region: str = ALONE, most_bytes: int = 256 << 20) -> None:
        self._link = link
        self._most_bytes = most_bytes
        self._prefix = f"{PREFIX}.cache.{region}"

    async def ready(self) -> None:
        """Make the stream if it is not there.

        Raises:
            BrokerError: JetStream refuses.
        """
        config = {
            "name": CACHE,
            "subjects": [f"{self._prefix}.>"],
            "storage": "memory",
            "retention": "limits",
            "discard": "old",
            "max_msgs_per_subject": 1,
            "max_bytes": self._most_bytes,
            "allow_direct": True,
            "allow_msg_ttl": True,
        }
        try:
            await self._link.api(f"STREAM.CREATE.{CACHE}", config)
        except BrokerError as error:
            if "already in use" not in error.message:
                raise

    async def get(self, key: str) -> Record | None:
        """Return what is stored, if it is still of use."""
        found = await self._last_of(CACHE, f"{self._prefix}.v.{token(key)}")
        if found is None:
            return None
        ttl, stale_for, kind = (found.headers or {})[HEADER].split()
        age = max(0.0, time.time() - stored_at(found))
        record = Record(found.data, float(ttl), float(stale_for), kind == "failed", age, sequence_of(found))
        return record if record.usable else replace(record, ttl_s=0.0, stale_for_s=0.0)

    async def put(self, key: str, record: Record, *, after: int | None) -> bool:
        """Store; with `after` only if the key's revision is still this one."""
        life = math.ceil(record.ttl_s + record.stale_for_s)
        headers = {
            HEADER: f"{record.ttl_s:.3f} {record.stale_for_s:.3f} {'failed' if record.failed else 'value'}",
            "Nats-TTL": f"{max(1, life)}s",
        }
        if after is not None:
            headers["Nats-Expected-Last-Subject-Sequence"] = str(after)
        return await self._store(f"{self._prefix}.v.{token(key)}", record.value, headers) is not None

    async def claim(self, key: str, owner: str, lease_s: float) -> int | None:
        """Take the right to compute a key; the server forgets it when the lease is over."""
        headers = {"Nats-TTL": f"{math.ceil(lease_s)}s", "Nats-Expected-Last-Subject-Sequence": "0"}
        return await self._store(f"{self._prefix}.l.{token(key)}", owner.encode(), headers)

    async def release(self, key: str, lease: int) -> None:  # noqa: ARG002 - the lease's number says which
        """Give it back: delete that one message, and no later one."""
        try:
            await self._link.api(f"STREAM.MSG.DELETE.{CACHE}", {"seq": lease, "no_erase": True})
        except BrokerError as error:
            if "found" not in error.message:  # it was over already
                raise

    async def last(self, channel: str) -> Cached | None:
        """Return the newest message of a channel that is kept."""
        found = await self._last_of(STREAM, stored(channel))
        if found is None:
            return None
        block = block_of(found)
        if block.texts:
            return Cached(block.texts[-1], max(0.0, time.time() - stored_at(found)))
        kept = await kept_of(self._link, channel)  # the newest is a mark
        if kept is None or not kept.rows:
            return None
        entry, at = kept.rows[-1]
        return Cached(entry.data, max(0.0, time.time() - at))

    async def _last_of(self, stream: str, subject: str) -> Msg | None:
        found, _ = await self._link.batch(stream, {"multi_last": [subject], "batch": 1})
        return found[0] if found else None

    async def _store(self, subject: str, body: bytes, headers: Mapping[str, str]) -> int | None:
        """Publish; return the sequence, or None if the expectation did not hold."""
        answer = await self._link.request(subject, body, headers)
        told: dict[str, Any] = json.loads(answer.data)
        error = told.get("error")
        if error is None:
            return int(told["seq"])
        if error.get("err_code") == WRONG_LAST:
            return None
        raise BrokerError("unavailable", f"JetStream refused a value: {error.get('description')}")
