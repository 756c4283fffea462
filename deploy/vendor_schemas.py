"""Make the schemas that rendered manifests are checked against anew: see ORIGIN.md beside them.

Usage: python deploy/vendor_schemas.py ARGO KSERVE

ARGO is the folder of the unpacked `npm pack @kubernetes-models/argo-rollouts@0.3.2`, KSERVE that of the unpacked
`pip download --no-deps --no-binary :all: kserve==0.21.0`.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

OUT = Path(__file__).parents[1] / "src/plumbline/deployment/lanes/kubernetes/schemas"
KUBERNETES = "v1.35.0-local-strict"
KINDS = ["Deployment", "Service", "ServiceAccount", "PodDisruptionBudget", "NetworkPolicy", "PodTemplate", "Pod"]
OWN = {"$schema", "description", "format", "nullable"}  # nothing that is rendered is null, and formats are not checked
FREE: dict[str, Any] = {"type": "object"}
PLAIN = {"str": "string", "int": "integer", "bool": "boolean", "float": "number", "datetime": "string"}
SERVED = {
    "InferenceService": ("V1beta1InferenceService", "serving.kserve.io/v1beta1"),
    "ServingRuntime": ("V1alpha1ServingRuntime", "serving.kserve.io/v1alpha1"),
}
ELSEWHERE = {
    "V1ObjectMeta": "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta",
    "K8sIoApiAppsV1DeploymentStrategy": "io.k8s.api.apps.v1.DeploymentStrategy",
    "ResourceQuantity": "io.k8s.apimachinery.pkg.api.resource.Quantity",
}
UNUSED = {"explainer", "transformer", "tracing", "status", "worker_spec"} | {  # never rendered
    *("huggingface", "lightgbm", "onnx", "paddle", "pmml", "pytorch", "sklearn", "tensorflow", "triton", "xgboost")
}


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


def served(package: Path, known: Mapping[str, Any]) -> dict[str, Any]:
    """Return KServe's kinds as the names and types of its own SDK have them, closed.

    Args:
        package: Its source, whose models are made from KServe's OpenAPI document.
        known: Definitions of Kubernetes, to which it refers.
    """
    found: dict[str, Any] = {}
    open_names = [name for name, _ in SERVED.values()]
    while open_names:
        name = open_names.pop()
        if name not in found:
            file = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
            source = package / f"kserve/models/{file}.py"
            found[name], more = _model(source.read_text(), known) if source.exists() else ({}, [])  # no model: a text
            open_names += more
    for kind, (name, version) in SERVED.items():
        found[name]["properties"] |= {"apiVersion": {"const": version}, "kind": {"const": kind}}
        found[name]["required"] = ["apiVersion", "kind", "metadata", "spec"]
    return {"kinds": {kind: name for kind, (name, _) in SERVED.items()}, "$defs": dict(sorted(found.items()))}


def _model(text: str, known: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    (body,) = [one.body for one in ast.parse(text).body if isinstance(one, ast.ClassDef)]
    read = {one.targets[0].id: ast.literal_eval(one.value) for one in body
            if isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name)}  # fmt: skip
    needed = set(re.findall(r"Invalid value for `(\w+)`, must not be `None`", text))
    more: list[str] = []
    properties = {read["attribute_map"][word]: _typed(kind, known, more)
                  for word, kind in read["openapi_types"].items() if word not in UNUSED}  # fmt: skip
    required = sorted(read["attribute_map"][word] for word in needed - UNUSED)
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return schema | ({"required": required} if required else {}), more


def _typed(kind: str, known: Mapping[str, Any], more: list[str]) -> dict[str, Any]:
    if inner := re.fullmatch(r"list\[(.*)\]", kind):
        return {"type": "array", "items": _typed(inner[1], known, more)}
    if inner := re.fullmatch(r"dict\(str, (.*)\)", kind):
        return {"type": "object", "additionalProperties": _typed(inner[1], known, more)}
    if kind in PLAIN:
        return {"type": PLAIN[kind]}
    if kind == "object":
        return {}
    name = ELSEWHERE.get(kind, f"io.k8s.api.core.v1.{kind.removeprefix('V1')}")
    if name in known:
        return {"$ref": f"#/$defs/{name}"}
    if re.match(r"V1(alpha|beta)\d", kind):
        more.append(kind)
        return {"$ref": f"#/$defs/{kind}"}
    return {}  # newer than the definitions of Kubernetes at hand


def definitions() -> dict[str, Any]:
    """Return all definitions of Kubernetes."""
    folder = files("kubernetes_validate") / "kubernetes-json-schema" / KUBERNETES
    whole: dict[str, Any] = json.loads((folder / "_definitions.json").read_text())["$defs"]
    return whole


def kubernetes(whole: Mapping[str, Any], more: list[str]) -> dict[str, Any]:
    """Return the definitions that the rendered kinds of Kubernetes and others need, and what those need."""
    begin = {}
    for name, schema in whole.items():
        for one in schema.get("x-kubernetes-group-version-kind", []):
            if one["kind"] in KINDS and one["version"] == "v1":
                begin[one["kind"]] = name
    found: dict[str, Any] = {}
    open_names = [*begin.values(), *more]
    while open_names:
        name = open_names.pop()
        if name in whole and name not in found:
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


def main(argo: Path, kserve: Path) -> None:
    """Write all files."""
    whole = definitions()
    made = {f"argo-{kind}": rollouts(argo, kind) for kind in ("Rollout", "AnalysisTemplate")}
    made["kserve"] = served(kserve, whole)
    made["kubernetes"] = kubernetes(whole, refs(made["kserve"]))
    for name, schema in made.items():
        (OUT / f"{name}.json").write_text(json.dumps(schema, separators=(",", ":"), sort_keys=True) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
