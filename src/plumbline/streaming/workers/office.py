"""What the supervisor's admin socket answers: its workers' answers as one, and orders to them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from plumbline.streaming.autoscaling.policy import PolicyError
from plumbline.streaming.core.settings import SettingError
from plumbline.streaming.probes.adminclient import AdminError
from plumbline.streaming.server import log
from plumbline.streaming.workers import balance, sums
from plumbline.streaming.workers.asking import ask
from plumbline.streaming.workers.pool import StartError
from plumbline.streaming.workers.process import State, Worker

if TYPE_CHECKING:
    from plumbline.streaming.workers.supervisor import Supervisor

MOST_WORKERS = 256
GAUGES = ("connections", "deliveries", "queued_bytes", "loop_lag_s", "resident_bytes", "open_files_limit", "uptime_s")


class Office:
    """Answers for all workers.

    Args:
        supervisor: Whose workers.
    """

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._pool = supervisor.pool

    async def workers(self) -> dict[str, Any]:
        """Return each worker as it is now, and how evenly connections are spread."""
        rows, connections = [], {}
        for worker, stats in await self.ask_all("stats"):
            rows.append(self._row(worker, stats or {}))
            if stats is not None and worker.state is State.READY:
                connections[worker.plan.number] = stats["connections"]
        living = self._pool.workers
        missing = [number for number, slot in self._pool.slots.items() if slot.worker not in living]
        rows += [{"worker": f"worker-{number}", "pid": None, "state": "restarting"} for number in missing]
        return {"workers": rows, "spread": round(balance.spread(connections), 4), "deaths": self._pool.deaths}

    async def rebalance(self, options: Any = None) -> dict[str, Any]:
        """Ask the surplus of overloaded workers to come back elsewhere.

        Args:
            options: `{"within_s": 30}`: time over which they go.

        Raises:
            SettingError: The option is wrong.
        """
        within_s = _within(options, self._supervisor.drain_s())
        connections, by_number = {}, {}
        for worker, stats in await self.ask_all("stats"):
            if stats is not None and worker.state is State.READY:
                connections[worker.plan.number] = stats["connections"]
                by_number[worker.plan.number] = worker
        moved = {}
        for number, count in balance.surplus(connections, self._supervisor.settings.balance_tolerance).items():
            by_number[number].order({"shed": count, "within_s": within_s})
            moved[str(by_number[number])] = count
        if moved:
            log.event(logging.INFO, "balancing", spread=balance.spread(connections), within_s=within_s, **_plain(moved))
        return {"spread": round(balance.spread(connections), 4), "asked_to_leave": moved, "within_s": within_s}

    async def scale(self, count: Any) -> dict[str, Any]:
        """Have this many workers.

        Raises:
            SettingError: That is no number of workers.
        """
        if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MOST_WORKERS:
            raise SettingError(f"there may be 1 to {MOST_WORKERS} workers, not {count!r}")
        await self._pool.scale(count)
        return await self.workers()

    async def restart(self, _options: Any = None) -> dict[str, Any]:
        """Replace all workers one by one.

        Raises:
            SettingError: A new one did not start.
        """
        try:
            await self._pool.restart()
        except StartError as failed:
            raise SettingError(str(failed)) from None
        return await self.workers()

    def views(self) -> dict[str, Any]:
        """Return what can be got."""
        supervisor, scaler = self._supervisor, self._supervisor.autoscaler

        def settings() -> dict[str, Any]:
            return dict(supervisor.settings.as_dict())  # those of now, not of the start

        async def stats() -> dict[str, Any]:
            living = [answer for _, answer in await self.ask_all("stats") if answer is not None]
            return {**sums.stats([*living, self._pool.ended]), "pid": os.getpid(), "workers": len(living)}

        async def queues() -> dict[str, Any]:
            return sums.queues(await self._answers("queues"))

        async def closes() -> dict[str, Any]:
            return sums.closes(await self._answers("closes"))

        async def shutdown() -> dict[str, Any]:
            answers = await self._answers("shutdown")
            return {"previous": [end for answer in answers.values() for end in answer["previous"]]}

        return {
            "stats": stats,
            "queues": queues,
            "closes": closes,
            "shutdown": shutdown,
            "settings": settings,
            "workers": self.workers,
            "autoscaler": lambda: scaler.view() if scaler else {"policy": None, "decisions": [], "changes": []},
        }

    def actions(self) -> dict[str, Callable[[Any], Any]]:
        """Return what can be done."""
        return {
            "scale": self.scale,
            "restart": self.restart,
            "balance": self.rebalance,
            "drain": self._drain,
            "reload-policy": self._reload_policy,
        }

    def _reload_policy(self, _options: Any = None) -> dict[str, Any]:
        """Read the autoscaling policy again."""
        try:
            policy = self._supervisor.reload_policy()
        except PolicyError as failed:
            raise SettingError(str(failed)) from None
        if policy is None:
            raise SettingError("nothing scales these workers; start with --workers MIN..MAX or --autoscale FILE")
        return {"policy": policy.model_dump(mode="json")}

    def _drain(self, options: Any) -> dict[str, Any]:
        """Begin to drain all workers, and end; the answer does not wait for it."""
        within_s = _within(options, self._supervisor.drain_s())
        self._supervisor.end(within_s)
        return {"workers": len(self._pool.workers), "within_s": within_s}

    async def change(self, values: dict[str, Any]) -> dict[str, Any]:
        """Change settings here and in all workers; all of them, or none."""
        changed = self._supervisor.settings.changed(values)
        for worker in self._pool.workers:
            with contextlib.suppress(AdminError):  # it is starting or ending
                await ask(worker.admin, {"set": values})
        self._supervisor.take(changed)
        return changed.as_dict()

    async def ask_all(self, view: str) -> list[tuple[Worker, dict[str, Any] | None]]:
        """Ask all workers at once; None for one that does not answer."""

        async def one(worker: Worker) -> dict[str, Any] | None:
            try:
                return dict(await worker.get(view))
            except AdminError:
                return None

        workers = self._pool.workers
        return list(zip(workers, await asyncio.gather(*map(one, workers)), strict=True))

    async def _answers(self, view: str) -> dict[str, dict[str, Any]]:
        found = {str(worker): answer for worker, answer in await self.ask_all(view) if answer is not None}
        if not found:
            raise SettingError("no worker answers now; try again")
        return found

    def _row(self, worker: Worker, stats: Mapping[str, Any]) -> dict[str, Any]:
        slot, session = self._pool.slots.get(worker.plan.number), worker.session
        return {
            "worker": str(worker),
            "pid": worker.pid,
            "state": str(worker.state),
            **{key: stats.get(key) for key in GAUGES},
            "cpu": worker.plan.cpu,
            "restarts": slot.restarts.total if slot is not None else 0,
            "crash_loop": slot.restarts.crash_loop if slot is not None else False,
            "relay_waiting_bytes": session.link.waiting if session is not None else None,
            "relay_messages": session.messages if session is not None else None,
            "relay_skipped": session.skipped if session is not None else None,
        }


def _within(options: Any, default: float) -> float:
    if options is None or options is True or options == {}:
        return default
    if not isinstance(options, Mapping) or set(options) != {"within_s"}:
        raise SettingError('options are {"within_s": seconds}')
    value = options["within_s"]
    if not isinstance(value, int | float) or not 0 <= value <= 86400:
        raise SettingError(f"within_s must be 0 to 86400 seconds, not {value!r}")
    return float(value)


def _plain(moved: Mapping[str, int]) -> dict[str, Any]:
    return {name.replace("-", "_"): count for name, count in moved.items()}
