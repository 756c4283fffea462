"""What an image is made of, as CycloneDX 1.6 JSON: the same document for the same image.

Written by hand and not by a library because a model's card (`modelCard`) is part of it; the tests hold it against the
published schema.
"""

from __future__ import annotations

import platform
import uuid
from collections.abc import Iterable
from typing import Any, Final

from packaging.utils import canonicalize_name

from plumbline import __version__
from plumbline.deployment.core.digests import digest_of
from plumbline.deployment.core.encoding import encode
from plumbline.deployment.packaging.artefact import Stored
from plumbline.deployment.packaging.descriptors import Descriptor, timestamp
from plumbline.deployment.packaging.distributions import Distribution, needs
from plumbline.deployment.packaging.image import Built

MEDIA_TYPE: Final = "application/vnd.cyclonedx+json"
_SPACE = uuid.UUID("6a3a2a0e-3a55-5b0c-9f5b-8f1f6a1f0d10")


def document(stored: Stored, subject: Descriptor, built: Built | None, *, mtime: int) -> dict[str, Any]:
    """Return the bill of materials.

    Args:
        stored: The version.
        subject: The manifest it describes: the image, or the artefact where there is no image.
        built: The image, if one was written.
        mtime: Unix seconds; 0 leaves the time out.
    """
    parts = [_model(stored)] if built is None else [*_system(built), *_packages(built.distributions), _model(stored)]
    root = {
        "type": "data" if built is None else "container",
        "bom-ref": "subject",
        "name": stored.manifest.model,
        "version": stored.version,
        "hashes": _hashes(subject.digest),
    }
    metadata: dict[str, Any] = {
        "component": root,
        "tools": {"components": [{"type": "application", "name": "plumbline", "version": __version__}]},
    }
    if mtime:
        metadata["timestamp"] = timestamp(mtime)
    body = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": metadata,
        "components": parts,
        "dependencies": _dependencies(parts, built),
    }
    return {**body, "serialNumber": f"urn:uuid:{uuid.uuid5(_SPACE, digest_of(encode(body)))}"}


def _model(stored: Stored) -> dict[str, Any]:
    manifest = stored.manifest
    card: dict[str, Any] = {
        "modelParameters": {
            "inputs": [{"format": f"{one.name}: {one.kind}"} for one in manifest.signature.inputs],
            "outputs": [{"format": f"{one.name}: {one.kind}"} for one in manifest.signature.outputs],
        }
    }
    if manifest.metrics:
        card["quantitativeAnalysis"] = {
            "performanceMetrics": [
                {"type": name, "value": repr(float(value))} for name, value in sorted(manifest.metrics.items())
            ]
        }
    return {
        "type": "machine-learning-model",
        "bom-ref": f"model:{manifest.model}@{stored.version}",
        "name": manifest.model,
        "version": stored.version,
        "hashes": _hashes(stored.digest),
        "modelCard": card,
        "properties": [
            {"name": "plumbline:format", "value": manifest.format},
            *_lineage(stored),
        ],
        "components": [
            {"type": "file", "bom-ref": f"file:{file.path}", "name": file.path, "hashes": _hashes(file.digest)}
            for file in manifest.files
        ],
    }


def _lineage(stored: Stored) -> list[dict[str, str]]:
    lineage = stored.manifest.lineage
    known = {"data": lineage.data, "code": lineage.code, "parent": lineage.parent}
    return [{"name": f"plumbline:lineage:{name}", "value": value} for name, value in known.items() if value]


def _packages(distributions: Iterable[Distribution]) -> list[dict[str, Any]]:
    found = []
    for one in distributions:
        component: dict[str, Any] = {
            "type": "library",
            "bom-ref": _purl(one),
            "name": one.name,
            "version": one.version,
            "purl": _purl(one),
            "properties": [{"name": "plumbline:contents", "value": one.contents}],
        }
        if one.digest is not None:
            component["hashes"] = _hashes(one.digest)
        if one.licence:
            component["licenses"] = [{"license": {"name": one.licence}}]
        found.append(component)
    return found


def _system(built: Built) -> list[dict[str, Any]]:
    if built.base is not None:
        one = {"type": "container", "bom-ref": "base", "name": built.base.name, "version": built.base.digest}
        return [{**one, "hashes": _hashes(built.base.digest)}]
    if built.interpreter is None:
        return []
    layer = built.layers[0]
    return [
        {
            "type": "platform",
            "bom-ref": "interpreter",
            "name": "cpython",
            "version": platform.python_version(),
            "hashes": _hashes(layer.diff_id),
            "components": [
                {"type": "library", "bom-ref": f"system:{one.name}", "name": one.name, "hashes": _hashes(digest)}
                for one in built.interpreter.libraries
                for digest in (digest_of(one.source.read_bytes()),)
            ],
        }
    ]


def _dependencies(parts: list[dict[str, Any]], built: Built | None) -> list[dict[str, Any]]:
    refs = [part["bom-ref"] for part in parts]
    found: list[dict[str, Any]] = [{"ref": "subject", "dependsOn": refs}]
    named: dict[str, Distribution] = {
        canonicalize_name(one.name): one for one in (built.distributions if built else ())
    }
    for name in sorted(named):
        wanted = [_purl(named[other]) for other in needs(named[name], named)]
        found.append({"ref": _purl(named[name]), "dependsOn": wanted})
    return found


def _purl(one: Distribution) -> str:
    return f"pkg:pypi/{canonicalize_name(one.name)}@{one.version}"


def _hashes(digest: str) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": digest.removeprefix("sha256:")}]
