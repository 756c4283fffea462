"""Ask the golden questions, judge the answers, and look for what explains the wrong ones."""

from __future__ import annotations

from typing import Any

from plumbline.deployment.probes import explaining
from plumbline.deployment.probes.asking import Reply, Server
from plumbline.deployment.probes.golden import Question, questions, same
from plumbline.evidence import Endpoint


def answers(endpoint: Endpoint) -> dict[str, Any]:
    """Return the fields of `Answers`.

    Raises:
        UnavailableError: Nobody answers, or the questions cannot be read.
    """
    asked = questions(endpoint.golden or "")
    server = Server(endpoint)
    replies = [(one, server.infer(one.body())) for one in asked]
    given = [(one, reply) for one, reply in replies if reply.given]
    wrong = [one for one, reply in given if one.finite(reply) and not one.answered(reply)]
    blank = [one for one, reply in given if not one.finite(reply)]
    refused = [reply for _, reply in replies if not reply.given]
    found = {
        "asked": len(replies),
        "right": sum(one.answered(reply) for one, reply in given),
        "wrong": len(wrong),
        "not_finite": len(blank),
        "refused": len(refused),
        "refusal": told(refused[0]) if refused else "",
        "gaps": sum(one.gaps for one in asked),
        "gaps_wrong": sum(one.gaps for one in wrong),
        "gaps_not_finite": sum(one.gaps for one in blank),
        "by_place": sum(_moved(server, one, reply) for one, reply in given if one.named and one.finite(reply)),
        "unnamed_taken": bool(given) and server.infer(asked[0].unnamed()).given,
    }
    return found | (_explained(server, wrong, asked) if wrong else {})


def told(reply: Reply) -> str:
    """Return an error as one text."""
    return " ".join(filter(None, (str(reply.status), reply.reason, reply.sentence)))


def _moved(server: Server, question: Question, reply: Reply) -> bool:
    """Tell whether the same inputs, each with its name, have another answer when they come the other way round."""
    other = server.infer(question.body(dict(reversed(list(question.columns.items())))))
    if not other.given or not reply.outputs or not other.outputs:
        return False
    cells = [
        (cell, got)
        for name in reply.outputs.keys() & other.outputs.keys()
        for cell, got in zip(reply.outputs[name], other.outputs[name], strict=False)
    ]
    return not all(same(got, cell) for cell, got in cells)


def _explained(server: Server, wrong: list[Question], asked: tuple[Question, ...]) -> dict[str, Any]:
    """Return what makes all wrong answers right; questions that send gaps have reasons of their own."""
    first = [one for one in wrong if not one.gaps]
    if not first:
        return {}
    whole = [*first, *(one for one in asked if not one.gaps and one not in first)]
    if exchanged := explaining.order(server, whole):
        return {"exchanged": exchanged}
    name, change = explaining.unit(server, whole)
    if name:
        return {"unit_of": name, "unit": change}
    return {"ignored": explaining.ignored(server, whole), "complete": server.in_time}
