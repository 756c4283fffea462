"""A scenario from a few options, for when a file would be too much."""

from __future__ import annotations

from typing import Any

from plumbline.streaming.load.scenario import Scenario, scenario

OPTIONS: dict[str, Any] = {
    "dialect": "plumbline",
    "connections": 100,
    "ramp": 1000.0,
    "hold": 0.0,
    "seconds": 10.0,
    "channels": 10,
    "readers": 10,
    "rate": 10.0,
    "large": 0.0,
    "requests": 0.0,
    "size": 128,
    "churn": 0.0,
    "slow": 0,
    "storm": 0.0,
}
"""The options and their defaults."""
RAMP_S = 120.0  # longest wait for all to connect, besides what the rate needs
STORM_S = 30.0


def quick(given: dict[str, Any]) -> Scenario:
    """Return the scenario that these options mean; what is left out has its default.

    Raises:
        LoadError: They do not fit together.
    """
    chosen = OPTIONS | given
    groups: list[dict[str, Any]] = []
    publish: list[dict[str, Any]] = []
    if chosen["dialect"] == "broadcast":  # one channel, and everybody reads it
        chosen |= {"large": chosen["large"] or chosen["rate"], "rate": 0.0, "requests": 0.0}
    if chosen["dialect"] == "echo":
        chosen |= {"large": 0.0, "rate": 0.0, "requests": chosen["requests"] or OPTIONS["rate"]}
    if chosen["rate"] and chosen["channels"]:
        readers = min(chosen["readers"], chosen["connections"])
        groups.append({"name": "small", "channels": chosen["channels"], "readers": readers})
        publish.append({"group": "small", "per_s": chosen["rate"], "bytes": chosen["size"]})
    if chosen["large"]:
        groups.append({"name": "large"})
        publish.append({"group": "large", "per_s": chosen["large"], "bytes": chosen["size"]})
    values = {
        "dialect": chosen["dialect"],
        "connections": chosen["connections"],
        "groups": groups,
        "phases": _phases(chosen, publish),
    }
    return scenario(values, "the options")


def _phases(chosen: dict[str, Any], publish: list[dict[str, Any]]) -> list[dict[str, Any]]:
    seconds = RAMP_S + chosen["connections"] / max(chosen["ramp"], 0.01)
    phases: list[dict[str, Any]] = [
        {"name": "ramp", "seconds": seconds, "connect_per_s": chosen["ramp"], "until_connected": True}
    ]
    if chosen["hold"]:
        phases.append({"name": "hold", "seconds": chosen["hold"]})
    busy = {"publish": publish, "requests_per_s": chosen["requests"]}
    if chosen["seconds"]:
        more = {"churn_per_s": chosen["churn"], "slow_readers": chosen["slow"]}
        phases.append({"name": "load", "seconds": chosen["seconds"], **busy, **more})
    if chosen["storm"]:
        phases.append({"name": "storm", "seconds": STORM_S, **busy, "storm": {"share": chosen["storm"]}})
        phases[-1]["until_connected"] = True
    return phases
