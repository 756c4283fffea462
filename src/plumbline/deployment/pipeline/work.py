"""A pipeline's own work for the controller: build and register the candidate, run the tests, ask the gates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from plumbline.deployment.core.digests import short
from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.core.gates import Gate, Side, Situation
from plumbline.deployment.core.verdicts import Outcome, Verdict
from plumbline.deployment.models import load as load_model
from plumbline.deployment.pipeline.candidate import taken
from plumbline.deployment.pipeline.commands import CommandError, run, run_all
from plumbline.deployment.pipeline.declaration import Pipeline
from plumbline.deployment.pipeline.gates.provenance import Provenance
from plumbline.deployment.pipeline.gates.running import run_gates
from plumbline.deployment.pipeline.ports import Built
from plumbline.deployment.pipeline.rows import evaluation, recent
from plumbline.deployment.registry.store import Registry


@dataclass(frozen=True, slots=True)
class PipelineWork:
    """What `ports.Work` asks for, from a pipeline's file.

    Args:
        pipeline: The file, read.
        registry: Where the candidate is registered, open for writing.
        by: Who deploys.
        cache: Folder for versions as the registry lays them out.
        log: File that takes the output of all commands.
        extra: Gates by name that come before those of the machine, for a test or a platform of one's own.
    """

    pipeline: Pipeline
    registry: Registry
    by: str
    cache: Path
    log: Path
    extra: Mapping[str, Gate] = field(default_factory=dict)

    def build(self) -> Built:
        """Run the build and register what it left, or find the version that the pipeline names.

        Raises:
            CommandError: A command of the build failed.
            DeploymentError: What it left cannot be taken or registered; the claim of a version is too low.
        """
        model = self.pipeline.model
        run_all(self.pipeline.build, self.pipeline.folder, self.log)
        if model.ref is not None:
            stored = self.registry.get(model.name, model.ref)
            return Built(stored.version, stored.digest)
        if model.folder is None:  # pragma: no cover - the declaration has one of the two
            raise InvalidError("the pipeline names neither a folder nor a version")
        manifest, files = taken(self.pipeline.file(model.folder), model.name)
        registered = self.registry.register(manifest, files, claim=model.version, by=self.by)
        return Built(registered.version, registered.digest)

    def test(self, candidate: Built) -> Iterator[Verdict]:
        """Run the tests; `PLUMBLINE_CANDIDATE` is the folder of the candidate, as the registry lays it out."""
        if not self.pipeline.test:
            return
        folder = self._folder(candidate)
        variables = {"PLUMBLINE_CANDIDATE": str(folder), "PLUMBLINE_VERSION": candidate.version}
        for number, step in enumerate(self.pipeline.test, 1):
            name = f"test/{number}"
            try:
                ran = run(step, self.pipeline.folder, self.log, variables)
            except CommandError as error:
                yield Verdict(name, Outcome.FAIL, error.sentence, error.data)
            else:
                told = ran.output.splitlines()[-1:] or ["it wrote nothing"]
                measured = {"command": list(ran.command), "output": ran.output}
                yield Verdict(name, Outcome.PASS, told[0][:400], measured, ran.took_s)

    def gates(self, candidate: Built, production: Built | None) -> Iterator[Verdict]:
        """Ask the gates, one after the other, on both versions as they are loaded here.

        Raises:
            DeploymentError: A version cannot be laid out or loaded, or a file of rows cannot be read.
        """
        gates: dict[str, Gate] = {"provenance": Provenance(folder=self.pipeline.folder), **self.extra}
        with ExitStack() as open_models:
            situation = self._situation(candidate, production, open_models)
            for use in self.pipeline.gates:
                yield from run_gates(situation, [use], gates=gates)

    def _situation(self, candidate: Built, production: Built | None, open_models: ExitStack) -> Situation:
        new = self._side(candidate, open_models)
        old = None if production is None else self._side(production, open_models)
        held_out, asked = self.pipeline.evaluation, self.pipeline.recent
        answered = (old or new).manifest.signature
        return Situation(
            new,
            old,
            evaluation(self.pipeline.file(held_out.file), held_out, new.manifest.signature) if held_out else None,
            recent(self.pipeline.file(asked.file), asked, answered) if asked else None,
            seed=int(short(candidate.digest), 16),
        )

    def _side(self, built: Built, open_models: ExitStack) -> Side:
        folder = self._folder(built)
        manifest = self.registry.get(self.pipeline.model.name, built.digest).manifest
        model = load_model(folder, manifest, digest=built.digest, threads=1)
        open_models.callback(model.close)
        return Side(built.version, manifest, folder, model)

    def _folder(self, built: Built) -> Path:
        folder = self.cache / built.digest.removeprefix("sha256:")
        self.cache.mkdir(parents=True, exist_ok=True)
        return self.registry.materialise(self.pipeline.model.name, built.digest, folder)
