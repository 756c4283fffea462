#!/usr/bin/env -S plumb run
"""Was the pickled model written with the packages that its server has?

A pickle holds the inside of objects as one release had it, and names the modules that shall read it. Its opcodes say
both without being executed: nothing is unpickled here.
"""

from plumbline.deployment.evidence_pickles import PickledModel
from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, unknown, warning

ANY = Threshold(1, "1", "scikit-learn, model persistence: loading across versions is not supported", "other releases")
GONE = Threshold(1, "1", "by definition: an import that fails ends the load", "packages that are not there")
IMPACT = "It does not load, or it loads with a warning and fails, or answers otherwise, at a request that comes later."
AGAIN = "Write the model again with the server's versions, or as ONNX or skops; do not edit the pickle."


@diagnostic
def unpickle_version_mismatch(model: PickledModel) -> Finding:
    """Hold recorded releases against those that are there, then the modules."""
    other = [one for one in model.recorded if _release(one) != _release(model.installed)]
    early = model.numpy_core and model.numpy.startswith(("0.", "1."))
    differ = Measure("other_versions", len(other) + early, "1", ANY)
    gone = Measure("missing_packages", len(model.missing), "1", GONE)
    whose = "the server" if model.of_server else "this interpreter"
    text = f"{model.file} was written with scikit-learn {', '.join(model.recorded) or '(none recorded)'}; {whose} has "
    text += f"{model.installed or 'none'}, and NumPy {model.numpy or 'none'}; "
    text += f"{gone.value:g} of its packages are not there"
    judge = critical if model.of_server else warning
    if model.missing:
        said = f"{text}: {', '.join(model.missing[:5])}."
        help_ = "Install what it imports, at the versions it was trained with, or export it as ONNX."
        return judge(said, differ, gone, cause="missing-package", impact=IMPACT, next=help_)
    if other or early:
        why = "" if other else "; it names numpy._core, which NumPy 1 has not"
        return judge(f"{text}{why}.", differ, gone, cause="other-version", impact=IMPACT, next=AGAIN)
    if model.own_code:
        help_ = "Move the class or function into a package that the server installs, and write the model again."
        said = f"{text}; it needs classes or functions of the script that wrote it (__main__)."
        return warning(said, differ, gone, cause="own-code", impact=IMPACT, next=help_)
    if not model.recorded and not model.whole:
        return unknown(f"{text}; it could not be read to its end, and records no version.", differ, gone)
    return ok(f"{text}.", differ, gone)


def _release(version: str) -> tuple[str, ...]:
    """Return major and minor: patch releases read each other's pickles as a rule."""
    return tuple(version.split(".")[:2])
