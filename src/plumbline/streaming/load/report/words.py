"""The last words of a run on the terminal."""

from __future__ import annotations

from typing import Any

from plumbline.streaming.load.progress import milliseconds


def words(report: dict[str, Any]) -> str:
    """Return a report in a few lines."""
    ledger, connections = report["ledger"], report["connections"]
    said = [f"{report['name']}: {report['lasted_s']:.0f} s" + (", interrupted" if report["interrupted"] else "")]
    if not report["connected"]:
        return "\n".join([*said, f"  incomplete   {report['bottleneck']['sentence']}"])
    for phase in report["phases"]:
        said += [_phase(phase["name"], kind, one) for kind, one in phase["latency"].items() if one["count"]]
    said.append(
        f"  messages     {ledger['delivered']:,} of {ledger['expected']:,} delivered, {ledger['lost']:,} lost, "
        f"{ledger['duplicated']:,} twice, {ledger['reordered']:,} out of order"
    )
    recovery = report["recovery"]
    if recovery["recovered"] or recovery["unrecovered"]:
        said.append(f"  recovery     {recovery['recovered']:,} recovered, {recovery['unrecovered']:,} not")
    if connections["uptime"] is not None:
        said.append(
            f"  uptime       {connections['uptime']:.4%} of {connections['wanted_s']:,.0f} connection-seconds, "
            f"{sum(connections['closes'].values()):,} closed, {sum(connections['failures'].values()):,} attempts failed"
        )
    said += [
        f"  fault        {one['name']} at {one['at_s']:g} s: {one['did']}: {one['result']}" for one in report["faults"]
    ]
    if report["generators_lost"]:
        said.append(f"  incomplete   {counted(report['generators_lost'])} of the generator died: {report['complaint']}")
    said.append(f"  bottleneck   {report['bottleneck']['sentence']}")
    return "\n".join(said)


def counted(processes: int) -> str:
    """Return a number of processes as people write it: `1 process`, `2 processes`."""
    return f"{processes} process{'' if processes == 1 else 'es'}"


def _phase(name: str, kind: str, one: dict[str, Any]) -> str:
    times = f"p50 {milliseconds(one['p50_s'])}, p99 {milliseconds(one['p99_s'])}, max {milliseconds(one['max_s'])}"
    return f"  {name:<12} {kind:<9} {times} ({one['count']:,})"
