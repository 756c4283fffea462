"""What a training script leaves is what the pipeline takes."""

from __future__ import annotations

from plumbline.deployment.pipeline.candidate import leave, taken
from plumbline.deployment.pipeline.gates.parity import parity


def test_recorded_answers_become_a_file_of_the_version_once(a_situation):
    situation = a_situation()
    side = situation.candidate
    rows = {name: values[:50] for name, values in situation.evaluation.inputs.items()}
    recorded = (rows, side.model.predict(rows))
    manifest = leave(side.folder, leave(side.folder, side.manifest, recorded), recorded)
    assert [file.path for file in manifest.files] == ["model.onnx", "parity.npz"]
    assert taken(side.folder, "churn") == (manifest, {file.path: side.folder / file.path for file in manifest.files})
    assert parity(situation)[0].passed


def test_without_recorded_answers_the_manifest_is_as_it_was(a_situation):
    side = a_situation().candidate
    assert leave(side.folder, side.manifest) == side.manifest
    assert taken(side.folder, "churn")[0] == side.manifest
