#!/usr/bin/env -S plumb run
"""Does the model server take what its callers send?

Questions as callers ask them are asked, and their names and types are held against the inputs that the server declares.
"""

from plumbline.deployment.evidence_contract import Contract
from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, unknown, warning

REFUSED = Threshold(1, "{answer}", "a question of a caller that worked once is taken or not", "refused for its inputs")
IMPACT = "Callers get errors instead of predictions until one side changes"
NEXT = {
    "feature-renamed": "Serve the version that callers know: `plumb rollback MODEL`; ship the new contract beside it.",
    "feature-added": "Serve the version that callers know, or give the new feature a default and register it again.",
    "feature-removed": "Serve the version that callers know; callers stop sending the feature before it goes.",
    "shape-or-type": "Compare shape and datatype of one request with the metadata: `curl URL/v2/models/MODEL`.",
}


@diagnostic
def signature_mismatch(contract: Contract) -> Finding:
    """Count refusals that are about inputs, and name the features."""
    refused = Measure("mismatched", contract.mismatched, "{answer}", REFUSED)
    unknown_, lacking = (
        Measure("unknown_features", len(contract.unknown), "{feature}"),
        Measure("lacking_features", len(contract.lacking), "{feature}"),
    )
    measures = (refused, unknown_, lacking, Measure("asked", contract.asked, "{question}"))
    text = f"Of {contract.asked} questions of callers {refused} refused for their inputs (limit {REFUSED})"
    parts = {
        "callers send, and it does not know": contract.unknown,
        "it wants, and callers do not send": contract.lacking,
        "of another type": contract.retyped,
    }
    names = "; ".join(f"{what}: {', '.join(found)}" for what, found in parts.items() if found)
    if contract.mismatched >= REFUSED.value:
        cause = _cause(contract)
        detail = names or contract.refusal
        return critical(f"{text}; {detail}.", *measures, cause=cause, impact=IMPACT, next=NEXT[cause])
    if not contract.answered:
        return unknown(f"None of {contract.asked} questions is answered, for another reason: {contract.other_refusal}.")
    if contract.lacking or contract.retyped:
        cause, impact = _cause(contract), "The server guesses: what it does with such requests, its code alone knows"
        return warning(f"{text}, though they differ; {names}.", *measures, cause=cause, impact=impact, next=NEXT[cause])
    inputs = "declares no inputs" if contract.declared is None else f"declares {contract.declared} inputs, as sent"
    return ok(f"{text}; the server {inputs}.", *measures)


def _cause(contract: Contract) -> str:
    if contract.unknown:
        return "feature-renamed" if contract.lacking else "feature-removed"
    return "feature-added" if contract.lacking else "shape-or-type"
