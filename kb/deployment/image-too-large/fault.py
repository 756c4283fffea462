"""Somebody shortens the Containerfile of a model server to one stage that copies everything."""

import json
import os
import random
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plumbline.lab import Fault, HurtsWhen, Lab, Topology, Workload
from plumbline.lab.churn import COEFFICIENTS, INTERCEPT
from plumbline.lab.images import build
from plumbline.lab.parts import Server
from plumbline.lab.parts.part import Built, Part

if TYPE_CHECKING:
    from plumbline.lab.parts.builder import Builder

KIB = 1 << 10
SITE = "usr/local/lib/python3.12/site-packages"
SIZES = {
    "base/usr/bin/python3.12": 90,
    "toolchain/usr/lib/gcc/x86_64-linux-gnu/12/cc1plus": 500,
    f"packages/{SITE}/onnxruntime/capi/libonnxruntime.so.1.23.2": 120,
    f"packages-gpu/{SITE}/onnxruntime/capi/libonnxruntime_providers_cuda.so": 600,
    f"packages-gpu/{SITE}/nvidia/cublas/lib/libcublasLt.so.12": 700,
    "pip-cache/root/.cache/pip/http-v2/8/3/a/5/e/83a5e.body": 450,
    "project/data/train.parquet": 600,
}
"""KiB of random bytes, which no compression shortens: a real image's proportions, a thousandth of its size."""
TWO_STAGES = """\
FROM scratch AS build
COPY base/ /
COPY toolchain/ /
COPY packages/ /
COPY pip-cache/ /

FROM scratch
COPY base/ /
COPY --from=build /usr/local/ /usr/local/
COPY project/app/ /srv/app/
COPY project/model/ /srv/model/
"""
ONE_STAGE = """\
FROM scratch
COPY base/ /
COPY toolchain/ /
COPY packages/ /
COPY packages-gpu/ /
COPY pip-cache/ /
COPY project/ /srv/
"""
DISK = 1024 * KIB


@dataclass(frozen=True, slots=True)
class Project(Part):
    """What the image is built from: `$CONTEXT`, with its Containerfile; the layout is `$IMAGE`."""

    name: str = "project"

    def build(self, host: "Builder") -> "ProjectPart":
        """Return it."""
        return ProjectPart(host.folder)


class ProjectPart(Built):
    """The folder in a lab, and the command that builds."""

    name = "project"

    def __init__(self, folder: Path) -> None:
        self.context, self.image, self._command = folder / "context", folder / "image", folder / "build-image"

    def start(self) -> None:
        """Write it, and build the image as it was."""
        noise = random.Random(5)
        for path, size in SIZES.items():
            self._file(path, noise.randbytes(size * KIB))
        told = json.dumps({"coefficients": COEFFICIENTS, "intercept": INTERCEPT})
        self._file("project/model/model.json", told.encode())
        self._file("project/app/serve.py", b"# answers /score with the model beside it\n")
        self.rebuild(TWO_STAGES)
        self._command.write_text(
            f'#!/bin/sh\nexec "{sys.executable}" -m plumbline.lab.images "{self.context}" "{self.image}" "$@"\n'
        )
        self._command.chmod(0o755)

    def rebuild(self, text: str) -> None:
        """Build by another Containerfile."""
        (self.context / "Containerfile").write_text(text)
        build(text, self.context, self.image)

    def environment(self) -> dict[str, str]:
        """Where it is."""
        return {"CONTEXT": str(self.context), "IMAGE": str(self.image), "BUILD_IMAGE": str(self._command)}

    @property
    def target(self) -> Mapping[str, Any]:
        """What diagnostics are told of it."""
        return {"artefact": os.fspath(self.image)}

    def _file(self, path: str, content: bytes) -> None:
        target = self.context / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


class OneStage(Fault):
    """The image is fourteen times as heavy. Its node has room for two of the old: it evicts, and cannot pull."""

    topology = Topology(
        victim="node",
        parts=(Project(), Server("node", "node", config={"image": "{folder}/image", "disk_bytes": DISK})),
        workload=Workload(requests_hz=20.0, request_path="/score?tenure_months=3&monthly_eur=70&tickets=4"),
    )
    hurts_when = HurtsWhen(request_ratio=0.9)

    def inject(self, lab: Lab) -> None:
        """Build it anew, as a release does."""
        lab.part("project").rebuild(ONE_STAGE)
