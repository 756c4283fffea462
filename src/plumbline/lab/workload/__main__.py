"""`python -m plumbline.lab.workload WHERE SOCKET PLAN`: run the clients, answer questions on a Unix socket."""

from __future__ import annotations

import asyncio
import json
import sys

from plumbline.lab.service import Asked, Workload
from plumbline.lab.workload.answering import answering
from plumbline.lab.workload.clients import Clients
from plumbline.lab.workload.ledger import Ledger


def audience(plan: Workload) -> list[int]:
    """Return the number of subscribers of each channel: they are dealt out in turn."""
    return [len(range(channel, plan.subscribers, plan.channels)) for channel in range(plan.channels)]


async def serve(where: dict[str, str], path: str, plan: Workload) -> None:
    """Run until SIGTERM; each line on the socket asks for a window, each answer is a `Service` as JSON."""
    ledger = Ledger(audience(plan), plan.clients)
    await answering(path, ledger.measure, Clients(where, plan, ledger).run())


def planned(text: str) -> Workload:
    """Return the workload that was written as JSON."""
    fields = json.loads(text)
    return Workload(**fields | {"asks": tuple(Asked(**one) for one in fields["asks"])})


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.argv[1]), sys.argv[2], planned(sys.argv[3])))
