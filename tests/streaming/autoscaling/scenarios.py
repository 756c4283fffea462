"""Policies and replicas of the tests, and a course of decisions."""

from plumbline.streaming.autoscaling.hpa import History, decide
from plumbline.streaming.autoscaling.policy import Policy
from plumbline.streaming.autoscaling.proposals import Observation, Replica, State

PODS = [{"name": "connections", "average_value": 100}]
TOTAL = {"name": "queue", "over": "total"}


def policy(**values):
    return Policy.read({"min_replicas": 1, "max_replicas": 100, "metrics": PODS, **values})


def pods(*values, state=State.READY):
    """Replicas with these values; None is a missing one."""
    return tuple(
        Replica(f"w{number}", state, {} if value is None else {"connections": value})
        for number, value in enumerate(values)
    )


def run(rules, steps, replicas, history=None):
    """Decide at each (now, values or total); return the replicas after each step."""
    history, found = history or History(), []
    for now, value in steps:
        seen = Observation(replicas, pods(*[value] * replicas), {"queue": value})
        decision = decide(rules, history, seen, now)
        replicas, history = decision.replicas, decision.history
        found.append(replicas)
    return found
