"""Make the schemas that rendered manifests are checked against anew: see ORIGIN.md beside them.

Usage: npm pack @kubernetes-models/argo-rollouts@0.3.2 && python deploy/vendor_schemas.py FOLDER_OF_THE_UNPACKED_PACKAGE
"""

from __future__ import annotations

import json
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

OUT = Path(__file__).parents[1] / "src/plumbline/deployment/lanes/kubernetes/schemas"
KUBERNETES = "v1.35.0-local-strict"
KINDS = ["Deployment", "Service", "ServiceAccount", "PodDisruptionBudget", "NetworkPolicy", "PodTemplate", "Pod"]
OWN = {"$schema", "description", "format", "nullable"}  # nothing that is rendered is null, and formats are not checked
FREE: dict[str, Any] = {"type": "object"}


def rollouts(package: Path, kind: str) -> dict[str, Any]:
    """Return the schema of a kind of Argo Rollouts, closed, without what other schemas check."""
    text = (package / f"argoproj.io/v1alpha1/{kind}.js").read_text()
    begin = text.index("const schema = ") + len("const schema = ")
    schema: dict[str, Any] = json.JSONDecoder().raw_decode(text[begin:])[0]
    properties = schema["properties"]
    properties["metadata"] = FREE  # by Kubernetes' own schema
    properties.pop("status", None)
    if kind == "Rollout":
        properties["spec"]["properties"]["template"] = FREE  # by Kubernetes' own schema
    else:
        providers = properties["spec"]["properties"]["metrics"]["items"]["properties"]["provider"]["properties"]
        providers.pop("job")  # is not rendered, and would be nine tenths of the file
    return {**closed(schema)}


def closed(schema: Any) -> Any:
    """Return a schema that refuses keys it does not name, as an API server does under strict validation."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {name: value for name, value in schema.items() if name not in OWN}
    for name in ("properties", "$defs"):
        if isinstance(schema.get(name), dict):
            kept[name] = {word: closed(value) for word, value in schema[name].items()}
    for name in ("items", "additionalProperties", "anyOf", "oneOf"):
        if name in kept:
            kept[name] = closed(kept[name])
    if "properties" in kept and "additionalProperties" not in kept:
        kept["additionalProperties"] = False
    return kept


def kubernetes() -> dict[str, Any]:
    """Return the definitions that the rendered kinds of Kubernetes need, and what those need."""
    folder = files("kubernetes_validate") / "kubernetes-json-schema" / KUBERNETES
    whole = json.loads((folder / "_definitions.json").read_text())["$defs"]
    begin = {}
    for name, schema in whole.items():
        for one in schema.get("x-kubernetes-group-version-kind", []):
            if one["kind"] in KINDS and one["version"] == "v1":
                begin[one["kind"]] = name
    found: dict[str, Any] = {}
    open_names = list(begin.values())
    while open_names:
        name = open_names.pop()
        if name not in found:
            found[name] = stripped(closed(whole[name]))
            open_names += refs(found[name])
    return {"kinds": begin, "$defs": dict(sorted(found.items()))}


def stripped(schema: Any) -> Any:
    """Drop what only API servers read."""
    if isinstance(schema, dict):
        return {name: stripped(value) for name, value in schema.items() if not name.startswith("x-kubernetes-")}
    return [stripped(one) for one in schema] if isinstance(schema, list) else schema


def refs(schema: Any) -> list[str]:
    """Return the definitions that a schema refers to."""
    if isinstance(schema, list):
        return [name for one in schema for name in refs(one)]
    if not isinstance(schema, dict):
        return []
    own = [schema["$ref"].rpartition("/")[2]] if isinstance(schema.get("$ref"), str) else []
    return own + [name for value in schema.values() for name in refs(value)]


def main(package: Path) -> None:
    """Write all files."""
    made = {f"argo-{kind}": rollouts(package, kind) for kind in ("Rollout", "AnalysisTemplate")}
    for name, schema in {**made, "kubernetes": kubernetes()}.items():
        (OUT / f"{name}.json").write_text(json.dumps(schema, separators=(",", ":"), sort_keys=True) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
