"""`plumb model`: what a user types, reads, and is refused."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from small_artefacts import AGE, artefact, judge, load

from plumbline.cli import registry_options
from plumbline.cli.main import main
from plumbline.deployment.core.encoding import encode
from plumbline.deployment.core.signature import Feature

PLAN = Feature("plan", "string", required=False, default="basic", nullable=True, choices=("basic", "gold"))


@pytest.fixture
def plumb(tmp_path, monkeypatch):
    """Run `plumb model` on a registry in the test's folder, with the small models of these tests."""
    monkeypatch.setitem(sys.modules, "plumbline.deployment.models", types.SimpleNamespace(load=load))
    monkeypatch.setitem(sys.modules, "plumbline.deployment.models.behaviour", types.SimpleNamespace(judge=judge))

    def run(*words: object) -> Result:
        environment = {"PLUMBLINE_REGISTRY": str(tmp_path / "registry")}
        return CliRunner().invoke(main, ["model", *map(str, words)], env=environment)

    return run


def left(folder: Path, content: bytes, inputs: tuple[Feature, ...] = (AGE,), card: str = "") -> Path:
    """Leave a folder as a training script does."""
    manifest, _ = artefact(folder, content, inputs)
    import dataclasses

    whole = dataclasses.replace(manifest, card=card, metrics={"roc_auc": 0.81})
    (folder / "plumbline.json").write_bytes(encode(whole))
    return folder


@pytest.fixture
def two(plumb, tmp_path):
    plumb("register", left(tmp_path / "1", b"1"), "--by", "ada")
    plumb("register", left(tmp_path / "2", b"2", (AGE, PLAN), card="# Churn"), "--by", "bob")


def test_registering_says_the_number_and_why(plumb, tmp_path):
    first = plumb("register", left(tmp_path / "1", b"1"))
    assert first.output.startswith("churn 1.0.0  sha256:")
    assert "(the model's first)" in first.output
    assert "registered before" in plumb("register", tmp_path / "1").output
    second = plumb("register", left(tmp_path / "2", b"2", (AGE, PLAN)))
    assert "(minor after 1.0.0)\n  minor: input 'plan' is new and optional\n" in second.output
    told = json.loads(plumb("register", left(tmp_path / "3", b"3", (PLAN,)), "--json").output)
    assert (told["version"], told["rises"], told["against"], told["fresh"]) == ("2.0.0", "major", "1.1.0", True)
    refused = plumb("register", left(tmp_path / "4", b"4", (AGE,)), "--claim", "2.0.1")
    assert refused.exit_code == 1
    assert "Error: version 2.0.1 is too low" in refused.output


def test_a_folder_without_a_manifest_is_refused(plumb, tmp_path):
    refused = plumb("register", tmp_path / "nothing")
    assert (refused.exit_code, "plumbline.json: No such file" in refused.output) == (1, True)


def test_models_and_versions_are_listed_with_their_aliases(plumb, two):
    plumb("promote", "churn@1.0.0", "--why", "first")
    assert [row["version"] for row in json.loads(plumb("list", "--json").output)] == ["1.1.0"]
    rows = json.loads(plumb("list", "churn", "--json").output)
    assert [(row["version"], row["aliases"]) for row in rows] == [("1.1.0", []), ("1.0.0", ["production"])]
    shown = plumb("list", "churn").output
    assert "production" in shown
    assert "bob" in shown
    refused = plumb("list", "fraud")
    assert (refused.exit_code, "no model 'fraud'" in refused.output) == (1, True)


def test_an_empty_registry_says_so_and_a_missing_one_too(plumb, tmp_path):
    refused = plumb("list")
    assert (refused.exit_code, "holds no registry" in refused.output) == (1, True)
    plumb("register", tmp_path / "nothing")  # opens it for writing
    assert plumb("list").output == "the registry holds no model yet\n"


def test_a_version_is_shown_whole(plumb, two):
    shown = plumb("show", "churn").output
    for expected in ("churn 1.1.0", "minor after 1.0.0", "input 'plan'", "optional (default basic)", "roc_auc = 0.81"):
        assert expected in shown
    assert shown.endswith("# Churn\n")
    assert "the model's first" in plumb("show", "churn@1.0.0").output
    assert json.loads(plumb("show", "churn@1.1.0", "--json").output)["bump"] == "minor"
    assert plumb("show", "fraud").exit_code == 1


def test_an_alias_is_moved_taken_away_and_remembered(plumb, two):
    assert "no alias of churn was ever moved" in plumb("history", "churn").output
    moved = plumb("alias", "churn", "candidate", "--to", "1.1.0", "--why", "try", "--by", "ada")
    assert moved.output == "churn: candidate points at 1.1.0, before at nothing\n"
    assert "points at 1.1.0" in plumb("promote", "churn@candidate", "--why", "better", "--by", "ada").output
    stale = plumb("promote", "churn@1.0.0", "--expect", "nothing", "--why", "late")
    assert (stale.exit_code, "points at 1.1.0, not at nothing: ada moved it" in stale.output) == (1, True)
    assert "points at nothing" in plumb("alias", "churn", "candidate", "--remove", "--why", "done").output
    moves = json.loads(plumb("history", "churn", "--json").output)
    assert [(move["alias"], move["target"]) for move in moves] == [
        ("candidate", None),
        ("production", "1.1.0"),
        ("candidate", "1.1.0"),
    ]
    assert "better" in plumb("history", "churn", "production").output
    assert plumb("history", "fraud").exit_code == 1


def test_what_is_half_said_is_a_usage_error(plumb, two, tmp_path):
    for words in (
        ("alias", "churn", "candidate", "--why", "x"),
        ("alias", "churn", "candidate", "--to", "1.0.0", "--remove", "--why", "x"),
        ("promote", "churn", "--why", "x"),
        ("get", "churn", tmp_path / "out"),
        ("verify", "churn", "--key", "key.pub"),
        ("collect", "--keep", "0"),
    ):
        assert plumb(*words).exit_code == 2, words


def test_signed_laid_out_and_verified(plumb, two, tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    private, public = tmp_path / "key.pem", tmp_path / "key.pub"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    unsigned = plumb("verify", "churn@1.0.0", "--key", public)
    assert (unsigned.exit_code, "carries no signature" in unsigned.output) == (1, True)
    assert "churn 1.0.0 is signed by key sha256:" in plumb("sign", "churn@1.0.0", "--key", private).output
    checked = plumb("verify", "churn@1.0.0", "--key", public)
    assert checked.exit_code == 0
    assert "signed: churn@1.0.0 by key sha256:" in checked.output
    assert "signed by" in plumb("show", "churn@1.0.0").output
    assert plumb("get", "churn@1.0.0", tmp_path / "out").output == f"{tmp_path / 'out'}\n"
    assert (tmp_path / "out" / "model.onnx").read_bytes() == b"1"


def test_an_altered_byte_is_exit_code_1_and_names_the_file(plumb, two, tmp_path):
    assert plumb("verify").output.startswith("whole: 2 versions, 3 files")
    (small,) = [
        path for path in (tmp_path / "registry/blobs/sha256").rglob("*") if path.is_file() and path.read_bytes() == b"1"
    ]
    small.chmod(0o644)
    small.write_bytes(b"!")
    altered = plumb("verify", "churn")
    assert (altered.exit_code, "churn 1.0.0, file 'model.onnx'" in altered.output) == (1, True)
    assert json.loads(plumb("verify", "--json").output)["damages"][0]["path"] == "model.onnx"


def test_collecting_says_what_would_go_and_what_went(plumb, two):
    dry = plumb("collect", "--keep", 1, "--days", 0, "--dry-run").output
    assert dry == "churn 1.0.0\n1 versions and 1 files would go: 1 bytes\n"
    assert json.loads(plumb("collect", "--keep", 1, "--days", 0, "--json").output)["versions"] == [["churn", "1.0.0"]]
    assert "(collected)" in plumb("list", "churn").output
    assert "its files are gone" in plumb("show", "churn@1.0.0").output


def test_who_does_it_is_asked_of_the_machine_if_nobody_says(monkeypatch):
    assert registry_options.whoever("ada") == "ada"
    assert "@" in registry_options.whoever(None)
    monkeypatch.setattr("getpass.getuser", lambda: (_ for _ in ()).throw(KeyError("uid")))
    assert registry_options.whoever(None).startswith("somebody@")
