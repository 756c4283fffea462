"""A file that people write, in a lab: diagnostics, fences and other parts know where it is."""

from types import SimpleNamespace

from plumbline.lab.parts import Declared


def test_a_declared_file_is_a_target_and_a_variable(tmp_path):
    built = Declared("offer", "experiment: offer\n", field="experiment").build(SimpleNamespace(folder=tmp_path))
    built.start()
    assert built.file.read_text() == "experiment: offer\n"
    assert built.target == {"experiment": str(tmp_path / "offer.yml")}
    assert built.environment() == {"OFFER_FILE": str(tmp_path / "offer.yml")}


def test_a_declared_file_may_be_a_log_that_begins_empty(tmp_path):
    built = Declared("features", "", field="served", suffix=".jsonl").build(SimpleNamespace(folder=tmp_path))
    built.start()
    assert (built.file.read_text(), built.target) == ("", {"served": str(tmp_path / "features.jsonl")})
