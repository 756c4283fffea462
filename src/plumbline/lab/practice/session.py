"""One practice session: what the person may type at each point, and what is suggested next."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from plumbline.catalogue import Catalogue, ProblemId
from plumbline.lab.errors import LabError
from plumbline.lab.practice import shell
from plumbline.lab.proof import phases
from plumbline.lab.proof.course import PhaseError
from plumbline.lab.proof.finding import Find
from plumbline.lab.proof.stage import Stage
from plumbline.lab.service import Service

Say = Callable[[str], None]
Ask = Callable[[str], str | None]
"""Called with what Enter would do; returns what was typed, or None at the end of the input."""

PLAN = ("search", "diagnose", "fix", "watch")
HELP = """\
  Enter        do what is suggested
  search TEXT  ask the handbook
  diagnose     run the diagnostic (diagnose all: every one)
  feel         what the workload's clients measure now
  hint         a little help; again for a little more
  steps        the guide's fix, without applying it
  fix          apply the guide's fix
  decoy        apply the fix that does not help, and see
  shell        a shell in the lab; come back with 'exit'
  watch        wait until it is green
  quit         give up; everything is cleaned up
  anything else is run as a command in the lab, with $PLUMBLINE_ADMIN, $GATEWAY_PID … set"""


@dataclass(slots=True)
class Session:
    """A broken lab in a person's hands.

    Args:
        stage: The lab, its fault, and the witness.
        catalogue: The handbook.
        find: The search, or None.
        say: Prints a paragraph.
        ask: Asks for the next command.
        baseline: The healthy service.
    """

    stage: Stage
    catalogue: Catalogue
    find: Find | None
    say: Say
    ask: Ask
    baseline: Service = field(default_factory=Service)
    done: set[str] = field(default_factory=set)
    hints: int = 0
    cured: bool = False
    green: bool = False

    def run(self) -> bool:
        """Break the lab and serve the person until it is green (True) or they leave (False).

        Raises:
            PhaseError: The lab does not get healthy, or the fault does nothing.
            LabError: A part of the lab fails.
        """
        self.begin()
        while not self.green:
            suggested = self.suggestion()
            typed = self.ask(suggested)
            if typed is None or typed.strip() in ("quit", "exit", "q"):
                self.say("You left while it was broken; the lab goes, nothing remains.")
                return False
            try:
                self.obey(typed.strip() or suggested)
            except (PhaseError, LabError) as error:
                self.say(f"{error}")
        return True

    def suggestion(self) -> str:
        """Return what Enter does: the first step of the plan that was not done; after a cure of any kind, to watch."""
        if self.cured:
            return "watch"
        return next(step for step in PLAN if step not in self.done)

    def begin(self) -> None:
        """Show the healthy lab, then break it."""
        problem = self.stage.subject.problem
        phases.served(self.stage)
        self.baseline = self.stage.service()
        self.say(f"The lab is up and healthy: {self.baseline}")
        self.stage.lab.mark(logs=True)
        self.stage.injected_at = time.monotonic()
        self.stage.fault.inject(self.stage.lab)
        felt = self.stage.felt()

        def hurts() -> bool:
            nonlocal felt
            felt = self.stage.felt()
            return felt.hurts

        self.stage.wait(hurts, self.stage.patience.felt_s, lambda: f"no client feels it: {felt.sentence}")
        said = (*problem.symptoms.complaint, *problem.symptoms.observation, *problem.symptoms.exception)[0]
        self.say(f"Now it is broken. A colleague writes: “{said}”\nThe clients say: {felt.sentence}")
        admin = self.stage.lab.endpoint.admin  # a topology with another victim has no gateway
        look = f" · plumb gateway show --admin {admin} queues" if admin else ""
        self.say(
            f"Meanwhile, in another terminal, the target 'lab' is this broken lab: plumb diagnose{look}\n"
            "In a browser, if 'plumb up' runs, so does the panel of the guide: "
            f"http://127.0.0.1:8000{ProblemId.parse(self.stage.subject.id).url}"
        )

    def obey(self, line: str) -> None:
        """Do one command."""
        word, _, rest = line.partition(" ")
        own: dict[str, Callable[[str], None]] = {
            "search": self.search,
            "diagnose": self.diagnose,
            "feel": lambda _: self.say(self.stage.felt().sentence),
            "hint": lambda _: self.hint(),
            "steps": lambda _: self.steps(),
            "fix": lambda _: self.fix(),
            "decoy": lambda _: self.decoy(),
            "shell": lambda _: self.shell(),
            "watch": lambda _: self.watch(),
            "help": lambda _: self.say(HELP),
        }
        if word in own and (word in ("search", "diagnose") or not rest):
            own[word](rest.strip())
            self.done.add(word)
        else:
            self.command(line)

    def search(self, text: str) -> None:
        """Ask the handbook, and say where this problem's guide stands among the answers."""
        if self.find is None:
            self.say("No search is installed: pip install 'plumbline[search]'")
            return
        symptoms = self.stage.subject.problem.symptoms
        query = text or (*symptoms.complaint, *symptoms.observation, *symptoms.exception)[0]
        answers = self.find(query, catalogue=self.catalogue, limit=5)
        lines = [f'plumb search "{query}"']
        for number, answer in enumerate(answers, 1):
            here = "  ← this one" if answer["id"] == self.stage.subject.id else ""
            lines.append(f"  {number}. {answer['title']} ({answer['url']}){here}")
        self.say("\n".join(lines) if answers else f"{lines[0]}\n  nothing found; try the words of the log, or 'hint'")

    def diagnose(self, what: str) -> None:
        """Run the linked diagnostic, or all."""
        if what == "all":
            results = self.stage.witness.look_at_all().values()
            self.say("\n".join(f"  {one.status:<9} {one.id:<36} {one.sentence}" for one in results))
            return
        result = self.stage.look().result
        lines = [f"{result.question}", f"  {result.status.upper()}: {result.sentence}"]
        lines += [f"  impact: {result.impact}"] if result.impact else []
        lines += [f"  cause:  {result.cause}"] if result.cause else []
        lines += [f"  next:   {step}" for step in result.next]
        self.say("\n".join(lines))

    def hint(self) -> None:
        """Say a little more each time."""
        problem, guide = self.stage.subject.problem, self.stage.subject.guide
        told = [f"Run the diagnostic: {self.stage.subject.linked}", f"The guide is '{guide.front.title}' ({guide.url})"]
        told += [f"It may be: {cause.title} ({cause.evidence})" for cause in problem.causes]
        told += [f"A step of the fix: {step.code.strip()}" for step in self.stage.subject.fixes]
        self.say(told[min(self.hints, len(told) - 1)])
        self.hints += 1

    def steps(self) -> None:
        """Show the guide's fix."""
        self.say("\n".join(f"# {step.id}\n{step.code.rstrip()}" for step in self.stage.subject.fixes))

    def fix(self) -> None:
        """Apply the guide's steps in page order, and show what they print."""
        for step in self.stage.subject.fixes:
            self.say(f"# {step.id}\n{step.code.rstrip()}")
            if printed := phases.apply(self.stage, step).strip():
                self.say(printed)
        self.tried()

    def decoy(self) -> None:
        """Apply the decoys: what is often recommended, and does not help."""
        if not self.stage.subject.decoys:
            self.say("The guide names no decoy.")
        for step in self.stage.subject.decoys:
            phases.apply(self.stage, step)
            why = next((one.why for one in self.stage.subject.problem.decoys if one.id == step.id), "")
            self.say(f"# {step.id}\n{step.code.rstrip()}\n{why}")
        self.stage.lab.mark()
        self.diagnose("")

    def shell(self) -> None:
        """Open a shell in the lab."""
        self.say("You are in the lab; 'exit' brings you back.")
        shell.interactive(self.stage.lab)
        self.tried()

    def command(self, line: str) -> None:
        """Run one command in the lab, and say whether it helped so far."""
        outcome = self.stage.lab.run(line, timeout_s=self.stage.patience.step_s)
        self.say(outcome.output.rstrip() or f"(exit {outcome.code})")
        self.tried()
        sample = self.stage.look()
        self.say(f"{sample.result.status.upper()}: {sample.result.sentence}")
        if sample.green:
            self.watch()

    def tried(self) -> None:
        """Note that a cure was tried: what the clients measured before it no longer counts."""
        self.stage.lab.mark()
        self.cured = True

    def watch(self) -> None:
        """Wait until the diagnostic is green and stays so, and the workload is served as before.

        Raises:
            PhaseError: It does not turn green.
        """
        self.say("Watching until it is green, and the clients are served as before …")
        self.cured = False
        began = time.monotonic()
        limit = self.stage.subject.problem.proof.recover_within_s * self.stage.patience.stretch
        hold = self.stage.patience.hold_s
        _, samples = self.stage.settle(limit, hold_s=hold, served=self._served, red_ends=False)
        self.green = True
        self.say(
            f"GREEN after {samples[0].moment - began:.1f} s, and it stays so: {samples[-1].result.sentence}\n"
            f"The clients say: {self.stage.service()}"
        )

    def _served(self) -> bool:
        return not self.stage.felt().hurts and not self.stage.unserved(self.baseline)
