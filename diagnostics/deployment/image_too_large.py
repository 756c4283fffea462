#!/usr/bin/env -S plumb run
"""Does the image carry what its server does not need?

A node that has none of its layers fetches all of them before the first answer, and keeps them on its disk: also what a
higher layer deletes. The image is read from an OCI layout; nothing of it is executed, and no engine is needed.
"""

from plumbline.deployment.evidence_image import Ballast, ImageRoom
from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, unknown, warning

SHARE = Threshold(0.1, "1", "dive 0.13, default of --highestUserWastedPercent", "part that no server needs")
LEAST = Threshold(1 << 20, "By", "judgement: less is not felt in any pull", "bytes that no server needs")
IMPACT = "Each new node fetches and unpacks it before its first answer; disks fill, and kubelets evict what runs there."
SAID = {
    "gpu": ("gpu-libraries", "libraries for GPUs"),
    "tools": ("build-leftovers", "tools that build"),
    "cache": ("build-leftovers", "caches of installers"),
    "data": ("training-data", "training data, notebooks or Git's history"),
    "deleted": ("deleted-later", "files that a higher layer hides"),
    "twice": ("twice", "second copies of files"),
}
NEXT = {
    "gpu-libraries": "Install the CPU builds (torch: --index-url https://download.pytorch.org/whl/cpu), or label it.",
    "build-leftovers": "Build in a first stage, and copy only what runs into the last one.",
    "training-data": "List in .dockerignore what stays at home, and copy by name instead of `COPY . .`.",
    "deleted-later": "Delete in the same RUN that makes the files, or do not bring them: two stages.",
    "twice": "Copy once, with --chown and --chmod in that COPY; a second step stores all bytes again.",
    "unused-packages": "Look at the biggest distributions: which of them does the server import?",
}


@diagnostic(timeout_s=90)
def image_too_large(image: ImageRoom) -> Finding:
    """Hold the part that no server needs against the limit, and the whole against the image's own."""
    needless = sum(one.size for one in image.ballast)
    share = Measure("needless_share", needless / max(1, image.unpacked_bytes), "1", SHARE)
    stored = Measure("stored", image.stored_bytes, "By")
    whole = Measure("unpacked", image.unpacked_bytes, "By")
    bytecode = Measure("bytecode", image.bytecode_bytes, "By")
    numbers = (share, Measure("needless", needless, "By", LEAST), stored, whole, bytecode)
    text = f"{image.tag}: {stored} to fetch in {image.layers} layers, {whole} unpacked"
    over = image.limit_bytes is not None and image.stored_bytes > image.limit_bytes
    if over:
        text += f", {Measure('limit', image.limit_bytes or 0, 'By')} allowed by its label"
    text += f"; {share} of it no server needs (limit {SHARE}){_parts(image.ballast)}"
    heavy = needless >= LEAST.value and share.value > SHARE.value
    if heavy or over:
        cause = SAID[image.ballast[0].kind][0] if heavy else "unused-packages"
        judge = critical if over else warning
        return judge(f"{text}. {_most(image)}", *numbers, cause=cause, impact=IMPACT, next=NEXT[cause])
    if image.unread:
        return unknown(f"{text}; {image.unread} layers could not be listed, so this is not all.", *numbers)
    return ok(f"{text}.", *numbers)


def _parts(ballast: tuple[Ballast, ...]) -> str:
    said = [f"{Measure('part', one.size, 'By')} {SAID[one.kind][1]}, as {one.biggest}" for one in ballast[:3]]
    return f": {'; '.join(said)}" if said else ""


def _most(image: ImageRoom) -> str:
    most = image.distributions or image.biggest
    said = [f"{one.name} {Measure('size', one.size, 'By')}" for one in most[:3]]
    return f"Biggest: {', '.join(said)}."
