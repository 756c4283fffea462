#!/usr/bin/env -S plumb run
"""Are the model's files what was stored, to the last byte?

Each file is held against the digest that the registry, the image layout or the folder itself names for it, and its own
bytes against what its name promises. Nothing is loaded: a pickle is recognised, not opened.
"""

from plumbline.deployment.evidence_artefacts import ArtefactFiles, FlawedFile, StoredFiles
from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, unknown, warning

ANY = Threshold(1, "{file}", "by definition: one wrong byte is another model", "files that are not what was stored")
IMPACT = {
    True: "Servers that check refuse to start with it; those that do not answer with another model, or crash.",
    False: "Nothing uses it now; a rollback to it will fail.",
}
SAID = {
    "altered": ("altered-bytes", "has other bytes than its digest names"),
    "truncated": ("truncated-download", "ends too early"),
    "empty": ("truncated-download", "is empty"),
    "missing": ("truncated-download", "is not there"),
    "lfs-pointer": ("lfs-pointer", "is a Git-LFS pointer, some lines of text in place of the file"),
    "web-page": ("not-the-format", "is a web page: a download answered with one"),
    "pickle": ("not-the-format", "is a pickle under another name; do not open it"),
}
NEXT = {
    "lfs-pointer": ("`git lfs install && git lfs pull` where it was checked out", "Then store the artefact again"),
    "not-the-format": ("Fetch it again with `curl --fail`, or export it again", "Do not load it to see what it is"),
    "truncated-download": ("Fetch it again by its digest: `plumb model register FOLDER` mends a registry",),
    "altered-bytes": ("Fetch it again by its digest: `plumb model register FOLDER` mends a registry", "Then ask why"),
}


@diagnostic(timeout_s=40)
def corrupted_artifact(stored: StoredFiles | None, artefact: ArtefactFiles | None) -> Finding:
    """Name the worst file, those in use first, and its kind of flaw."""
    seen = [one for one in (stored, artefact) if one is not None]
    if not seen:
        return unknown("Neither a registry nor an artefact on this machine is named in the target.")
    flaws = sorted((flaw for one in seen for flaw in one.flaws), key=lambda flaw: not flaw.needed)
    wrong = Measure("flawed", len(flaws), "{file}", ANY)
    files, compared = (sum(getattr(one, name) for one in seen) for name in ("files", "compared"))
    unread = sum(one.unread for one in seen)
    size = Measure("size", sum(one.size for one in seen), "By")
    numbers = (wrong, Measure("files", files, "{file}"), Measure("compared", compared, "{file}"), size)
    text = f"Of {files} files {compared} were compared byte by byte: {wrong} not what was stored (limit {ANY})"
    if flaws:
        return _flawed(flaws[0], f"{text}. {_words(flaws[0])}.", *numbers)
    if unread:
        return unknown(f"{text}; for {unread} there was no time.", *numbers)
    if not compared:
        return unknown(f"{text}: nothing names a digest, so only their form was looked at.", *numbers)
    return ok(f"{text}.", *numbers)


def _words(flaw: FlawedFile) -> str:
    size = f"{flaw.size:,} of {flaw.expected:,} bytes" if flaw.expected is not None else f"{flaw.size:,} bytes"
    return f"{flaw.name} ({size}) {SAID[flaw.kind][1]}"


def _flawed(flaw: FlawedFile, text: str, *numbers: Measure) -> Finding:
    cause = SAID[flaw.kind][0]
    judge = critical if flaw.needed else warning
    return judge(text, *numbers, cause=cause, impact=IMPACT[flaw.needed], next=NEXT[cause])
