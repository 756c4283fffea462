"""Rendered objects held against schemas, offline and strictly: a field that the schema does not name is refused.

Where each schema comes from, at which version, and what was taken out of it, stands in `schemas/ORIGIN.md`.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any, cast

from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.lanes.kubernetes.parts import Object

AGAINST = {
    "": "Kubernetes 1.35",
    "argoproj.io": "Argo Rollouts 1.5.0",
    "serving.kserve.io": "KServe 0.21's SDK",
}
"""By API group, where the schema comes from; every other group is one of Kubernetes' own."""

_ARGO = ("Rollout", "AnalysisTemplate")


def check(document: Object) -> None:
    """Refuse what an API server with strict field validation would refuse by its schema.

    Raises:
        InvalidError: A field is unknown, missing or of a wrong type; the sentence names object and place.
    """
    kind = str(document.get("kind"))
    for source in ("kubernetes", "kserve"):
        if definition := _schema(source)["kinds"].get(kind):
            _held(_defined(definition), document, document)
            return
    if kind not in _ARGO:
        raise InvalidError(f"no schema of kind '{kind[:40]}' is at hand", kind=kind)
    _held(_argo(kind), document, document)
    _held(_defined("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"), document["metadata"], document, "metadata")
    if "template" in document["spec"]:
        pods = document["spec"]["template"]
        _held(_defined("io.k8s.api.core.v1.PodTemplateSpec"), pods, document, "spec", "template")


def against(objects: list[Object]) -> list[str]:
    """Return what objects are checked against, in words."""
    groups = {str(one["apiVersion"]).partition("/")[0] for one in objects}
    return [AGAINST[""], *(AGAINST[group] for group in sorted(groups & set(AGAINST)))]


def _held(validator: Any, value: Any, document: Object, *place: str) -> None:
    from jsonschema.exceptions import best_match

    wrong = best_match(validator.iter_errors(value))
    if wrong is not None:
        where = ".".join(str(step) for step in (*place, *wrong.absolute_path))
        name = document.get("metadata", {}).get("name", "")
        raise InvalidError(f"{document['kind']} {name}: {where or 'the object'}: {wrong.message[:300]}", place=where)


@cache
def _defined(definition: str) -> Any:
    known = {**_schema("kubernetes")["$defs"], **_schema("kserve")["$defs"]}
    return _validator({"$ref": f"#/$defs/{definition}", "$defs": known})


@cache
def _argo(kind: str) -> Any:
    return _validator(_schema(f"argo-{kind}"))


def _validator(schema: dict[str, Any]) -> Any:
    from jsonschema import Draft202012Validator  # only whoever renders waits for it

    return Draft202012Validator(schema)


@cache
def _schema(name: str) -> dict[str, Any]:
    text = (files("plumbline.deployment.lanes.kubernetes") / f"schemas/{name}.json").read_text(encoding="utf-8")
    return cast("dict[str, Any]", json.loads(text))
