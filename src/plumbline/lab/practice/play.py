"""Set the stage for a practice session: a lab of its own, registered so that the site and `plumb diagnose` see it."""

from __future__ import annotations

from plumbline.catalogue import Catalogue
from plumbline.lab import needs
from plumbline.lab.practice.session import Ask, Say, Session
from plumbline.lab.proof.finding import Find
from plumbline.lab.proof.patience import Patience
from plumbline.lab.proof.stage import Stage
from plumbline.lab.proof.subject import Subject
from plumbline.lab.proof.witness import Diagnoses, Witness
from plumbline.lab.running import running


def play(
    subject: Subject,
    catalogue: Catalogue,
    runner: Diagnoses,
    *,
    find: Find | None,
    say: Say,
    ask: Ask,
    patience: Patience | None = None,
) -> bool:
    """Practise one problem; return True if it ended green.

    Raises:
        LabError: The lab does not start; the sentence says what is missing.
        PhaseError: It does not get healthy, or the fault does nothing.
    """
    fault = subject.fault()
    needs.check(needs.required(fault))
    with running(fault.topology, purpose="practice", problem=subject.id) as lab:
        witness = Witness(runner, subject.linked, lambda: lab.endpoint)
        stage = Stage(subject, lab, fault, witness, patience or Patience())
        stage.crew = lab.crew()
        return Session(stage, catalogue, find, say, ask).run()
