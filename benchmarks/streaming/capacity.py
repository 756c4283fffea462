"""Write what the capacity page counts with (docs/assets/data/capacity.json), and the page's worked example.

    python benchmarks/streaming/capacity.py [--check]

Figures come from benchmarks/streaming/results/: those of full runs (`hold`, `broadcast`) where they are recorded, those
of `sizing` for the rest. Nothing is typed in. The formulas stand here and in docs/assets/js/capacity.js; a test holds
both to the same results.
"""

import json
import math
import sys
from typing import Any

from common import RESULTS, ROOT

from plumbline.streaming.core.history import CHANNEL_BYTES, MESSAGE_BYTES
from plumbline.streaming.core.settings import Settings

DATA = ROOT / "docs" / "assets" / "data" / "capacity.json"
PAGE = ROOT / "docs" / "infrastructure" / "capacity-planning.md"
BEGIN, END = "<!-- example: written by benchmarks/streaming/capacity.py -->\n\n", "\n<!-- end of the example -->\n"
SEGMENT_BYTES = 1448  # payload of a full TCP segment on Ethernet: 1500 - 20 (IPv4) - 32 (TCP with time stamps)
PACKET_BYTES = 66  # around it: 14 (Ethernet) + 20 + 32
RECORD_BYTES = 22  # around a TLS 1.3 record: header 5, type 1, tag 16 (RFC 8446)
FIRST_WAIT_S = 0.5  # ceiling of the client's first random delay (BackoffPolicy)
EXAMPLE = {
    "connections": 15_000,
    "subscriptions": 1,
    "messages_per_s": 10,
    "fan_out": 1_000,
    "message_bytes": 128,
    "heartbeat_s": 25,
    "tls": True,
    "slow_percent": 0.1,
    "queue_bytes": 1_048_576,
    "lifetime_min": 60,
    "busy_percent": 60,
}


def constants() -> dict[str, Any]:
    """Return the figures, each with the run it comes from."""
    sizing = kept("sizing")
    if sizing is None:
        sys.exit("benchmarks/streaming/results/sizing.json is missing: python benchmarks/streaming/sizing.py makes it")
    plain, tls, workers = (sizing["results"][name] for name in ("plain", "tls", "workers"))
    figures = {name: (value, "sizing") for name, value in plain.items()}
    figures |= {
        "tls_connection_bytes": (max(0, tls["connection_bytes"] - plain["connection_bytes"]), "sizing"),
        "tls_handshake_us": (round(max(0, tls["handshake_us"] - plain["handshake_us"]), 2), "sizing"),
        "tls_delivery_us": (round(max(0, tls["delivery_us"] - plain["delivery_us"]), 2), "sizing"),
        "tls_byte_ns": (round(max(0, tls["byte_ns"] - plain["byte_ns"]), 3), "sizing"),
        **{name: (value, "sizing") for name, value in workers.items()},
    }
    figures |= from_hold() | from_broadcast()
    settings = Settings()
    return {
        "runs": {name: origin(name) for name in sorted({run for _, run in figures.values()})},
        "figures": {name: {"value": value, "run": run} for name, (value, run) in sorted(figures.items())},
        "settings": {
            name: getattr(settings, name)
            for name in ("max_connections", "history_messages", "history_bytes", "history_total_bytes")
        },
        "known": {
            "segment_bytes": SEGMENT_BYTES,
            "packet_bytes": PACKET_BYTES,
            "record_bytes": RECORD_BYTES,
            "first_wait_s": FIRST_WAIT_S,
            "kept_message_bytes": MESSAGE_BYTES,
            "kept_channel_bytes": CHANNEL_BYTES,
        },
        "example": EXAMPLE,
    }


def from_hold() -> dict[str, tuple[float, str]]:
    """Return memory of a connection, from 15,000 of them."""
    if (hold := kept("hold")) is None:
        return {}
    one = hold["results"]["one worker"]
    return {
        "connection_bytes": (one["resident_bytes_per_connection"], "hold"),
        "socket_slab_bytes": (one["slab_bytes_per_socket"], "hold"),
    }


def from_broadcast() -> dict[str, tuple[float, str]]:
    """Return what a delivery costs among 15,000 sockets."""
    if (broadcast := kept("broadcast")) is None or "plumbline" not in broadcast["results"]:
        return {}
    return {"delivery_us": (broadcast["results"]["plumbline"]["cpu_us_per_delivery"], "broadcast")}


def kept(name: str) -> dict[str, Any] | None:
    """Return a benchmark's results, if they are recorded."""
    path = RESULTS / f"{name}.json"
    found: dict[str, Any] | None = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    return found


def origin(name: str) -> str:
    """Say which run it was."""
    run = kept(name)
    assert run is not None
    return f"{run['command']}, {run['date']}, commit {run['commit']}, {run['machine']['cpu']}"


def plan(given: dict[str, Any], data: dict[str, Any]) -> dict[str, float]:
    """Return what a load needs; the same as `plan` of docs/assets/js/capacity.js."""
    figure = {name: one["value"] for name, one in data["figures"].items()}
    work = _cpu(given, figure)
    busy = work["cpu_s"] / (given["busy_percent"] / 100)
    workers = max(1, math.ceil(busy), math.ceil(given["connections"] / data["settings"]["max_connections"]))
    relayed = workers > 1
    relay = given["messages_per_s"] * (figure["relay_us"] + workers * figure["relayed_us"]) / 1e6 if relayed else 0.0
    left = max(1, workers - 1)
    return {
        "deliveries_per_s": work["deliveries"],
        "cores": busy + relay / (given["busy_percent"] / 100),
        "workers": workers,
        **_memory(given, data, figure, workers),
        "descriptors": math.ceil(given["connections"] / left) + figure["base_descriptors"],
        "out_bits_per_s": work["deliveries"] * _wire(given, data, figure) * 8,
        "reconnect_s": given["connections"] * work["arrival_us"] / 1e6 / workers + data["known"]["first_wait_s"],
        "nats_in_per_s": given["messages_per_s"],
        "nats_out_per_s": given["messages_per_s"] * min(workers, given["fan_out"]),
    }


def _cpu(given: dict[str, Any], figure: dict[str, float]) -> dict[str, float]:
    deliveries = given["messages_per_s"] * given["fan_out"]
    tls = 1 if given["tls"] else 0
    delivery = figure["delivery_us"] + tls * figure["tls_delivery_us"]
    delivery += given["message_bytes"] * (figure["byte_ns"] + tls * figure["tls_byte_ns"]) / 1000
    arrival = (
        figure["handshake_us"] + tls * figure["tls_handshake_us"] + given["subscriptions"] * figure["subscribe_us"]
    )
    pings = given["connections"] / given["heartbeat_s"] if given["heartbeat_s"] else 0.0
    arrivals = given["connections"] / (given["lifetime_min"] * 60) if given["lifetime_min"] else 0.0
    spent = deliveries * delivery + given["messages_per_s"] * figure["publish_us"]
    spent += pings * figure["ping_us"] + arrivals * arrival
    return {"deliveries": deliveries, "cpu_s": spent / 1e6, "arrival_us": arrival}


def _memory(given: dict[str, Any], data: dict[str, Any], figure: dict[str, float], workers: int) -> dict[str, float]:
    each = figure["connection_bytes"] + max(0, given["subscriptions"] - 1) * figure["subscription_bytes"]
    each += figure["tls_connection_bytes"] if given["tls"] else 0
    slow = given["connections"] * given["slow_percent"] / 100 * given["queue_bytes"]
    fixed = workers * figure["base_bytes"] + (figure["supervisor_bytes"] if workers > 1 else 0)
    channels = given["connections"] * given["subscriptions"] / max(1, given["fan_out"])
    settings = data["settings"]
    messages = min(settings["history_messages"], settings["history_bytes"] / given["message_bytes"])
    known = data["known"]
    history = channels * (
        messages * (given["message_bytes"] + known["kept_message_bytes"]) + known["kept_channel_bytes"]
    )
    return {
        "resident_bytes": fixed + given["connections"] * each + slow + min(history, settings["history_total_bytes"]),
        "kernel_bytes": given["connections"] * figure["socket_slab_bytes"],
    }


def _wire(given: dict[str, Any], data: dict[str, Any], figure: dict[str, float]) -> float:
    known = data["known"]
    carried = given["message_bytes"] + figure["envelope_bytes"] + (known["record_bytes"] if given["tls"] else 0)
    return carried + known["packet_bytes"] * math.ceil(carried / known["segment_bytes"])


def example(data: dict[str, Any]) -> str:
    """Return the worked example as Markdown."""
    found = plan(EXAMPLE, data)
    rows = [f"| {name} | {shown} |" for name, shown in words(found).items()]
    sources = "; ".join(data["runs"].values())
    return "\n".join(["| Needed | |", "|---|---:|", *rows, "", f"Counted with the figures of: {sources}.", ""])


def words(found: dict[str, float]) -> dict[str, str]:
    """Return each output with its unit; as the page's script writes them."""
    return {
        "Deliveries": f"{found['deliveries_per_s']:,.0f}/s",
        "CPU": f"{found['cores']:.2f} cores",
        "Workers": f"{found['workers']:,.0f}",
        "Resident memory": f"{found['resident_bytes'] / 2**20:,.0f} MiB",
        "Kernel memory": f"{found['kernel_bytes'] / 2**20:,.0f} MiB",
        "Descriptors of a worker": f"{found['descriptors']:,.0f}",
        "Bandwidth out": f"{found['out_bits_per_s'] / 1e6:,.1f} Mbit/s",
        "All back after a loss of all connections": f"{found['reconnect_s']:.1f} s",
        "NATS, in": f"{found['nats_in_per_s']:,.0f}/s",
        "NATS, out": f"{found['nats_out_per_s']:,.0f}/s",
    }


def main() -> None:
    """Write both files, or say that one is out of date."""
    data = constants()
    text = json.dumps(data, indent=1) + "\n"
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    wanted = {DATA: text, PAGE: before + BEGIN + example(data) + END + after}
    if "--check" in sys.argv[1:]:
        for path, content in wanted.items():
            if not path.exists() or path.read_text(encoding="utf-8") != content:
                sys.exit(f"{path.relative_to(ROOT)} is out of date: python benchmarks/streaming/capacity.py writes it")
        return
    DATA.parent.mkdir(parents=True, exist_ok=True)
    for path, content in wanted.items():
        path.write_text(content, encoding="utf-8")
        print(f"{path.relative_to(ROOT)}: written")


if __name__ == "__main__":
    main()
