"""Does a server take what its callers send? Its refusals say so, and its metadata say why."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from plumbline.deployment.probes.asking import Reply, Server
from plumbline.deployment.probes.golden import Question, questions
from plumbline.deployment.probes.judging import told
from plumbline.evidence import Endpoint

REASONS = {"missing_field", "unknown_field", "duplicate_field", "wrong_type", "wrong_shape", "unnamed_columns"}
_WORDS = re.compile(
    r"dimension|shape|feature|field|column|schema|dtype|data ?type|input name|feed|keyerror|missing input|unexpected",
    re.IGNORECASE,
)
_ABOUT_INPUTS = (400, 415, 422, 500)
"""Statuses at which servers refuse inputs; many answer 500 to all that their code did not foresee."""


def contract(endpoint: Endpoint) -> dict[str, Any]:
    """Return the fields of `Contract`.

    Raises:
        UnavailableError: Nobody answers, or the questions cannot be read.
    """
    asked = questions(endpoint.golden or "")
    server = Server(endpoint)
    replies = [server.infer(one.body()) for one in asked]
    metadata = server.metadata()  # last: while versions change, it is the new one that explains refusals
    refused = [one for one in replies if not one.given]
    ours = [one for one in refused if mismatch(one)]
    others = [one for one in refused if not mismatch(one)]
    return {
        "asked": len(replies),
        "answered": len(replies) - len(refused),
        "mismatched": len(ours),
        "refusal": told(ours[0]) if ours else "",
        "other_refusal": told(others[0]) if others else "",
        **_compared(declared(metadata), asked),
    }


def mismatch(reply: Reply) -> bool:
    """Tell whether a refusal is about names, shapes or types of inputs."""
    if reply.reason:
        return reply.reason in REASONS
    return reply.status in _ABOUT_INPUTS and bool(_WORDS.search(reply.sentence))


def declared(metadata: Reply) -> dict[str, Mapping[str, Any]]:
    """Return the inputs that metadata declare, by name; empty: none, or not in the form of the protocol."""
    try:
        return {str(one["name"]): one for one in metadata.value["inputs"]} if metadata.status < 400 else {}
    except (KeyError, TypeError):
        return {}


def _compared(inputs: Mapping[str, Mapping[str, Any]], asked: Iterable[Question]) -> dict[str, Any]:
    sent = {name: one.datatypes[name] for one in asked if one.named for name in one.columns}
    if not inputs or not sent:
        return {"declared": len(inputs) or None}
    return {
        "declared": len(inputs),
        "unknown": tuple(name for name in sent if name not in inputs),
        "lacking": tuple(name for name, one in inputs.items() if name not in sent and _required(one)),
        "retyped": tuple(
            name
            for name, datatype in sent.items()
            if name in inputs and (datatype == "BYTES") != (inputs[name].get("datatype") == "BYTES")
        ),
    }


def _required(one: Mapping[str, Any]) -> bool:
    return bool((one.get("parameters") or {}).get("required", True))
