"""Versions: registered once, numbered by behaviour, found by number, alias or digest, laid out whole."""

from __future__ import annotations

import dataclasses
import pickle
import zipfile
from pathlib import Path

import pytest
from small_artefacts import AGE, LOOKING, Fake, artefact, judge, load

from plumbline.deployment.core.contract import Bump
from plumbline.deployment.core.encoding import identity
from plumbline.deployment.core.errors import (
    ConflictError,
    CorruptError,
    InvalidError,
    NotFoundError,
    UntrustedError,
)
from plumbline.deployment.core.manifest import File
from plumbline.deployment.core.signature import Feature
from plumbline.deployment.registry import ClaimError, Looking, Registry, described
from plumbline.deployment.registry import registering as registering_module

PLAN = Feature("plan", "string", required=False, default="basic")


def test_a_models_first_version_is_1_0_0_and_the_same_contract_again_is_a_patch(ship):
    first, second = ship(b"weights 1"), ship(b"weights 2")
    assert (first.version, first.bump, first.against) == ("1.0.0", Bump.MAJOR, None)
    assert (second.version, second.bump, second.against, second.changes) == ("1.0.1", Bump.PATCH, "1.0.0", ())


def test_what_adds_is_minor_and_what_breaks_is_major(ship):
    ship(b"1")
    assert ship(b"2", inputs=(AGE, PLAN)).version == "1.1.0"
    broken = ship(b"3", inputs=(PLAN,))
    assert broken.version == "2.0.0"
    assert [change.code for change in broken.changes] == ["input-removed"]


def test_the_tenth_minor_version_comes_after_the_ninth(ship, registry):
    ship(b"1")
    ship(b"2", claim="1.9.0")
    ship(b"3", claim="1.10.0")
    assert ship(b"4").version == "1.10.1"
    assert [one.version for one in registry.versions("churn")] == ["1.10.1", "1.10.0", "1.9.0", "1.0.0"]


def test_an_authors_lower_claim_is_refused_with_the_change_that_forbids_it(ship, registry):
    ship(b"1", inputs=(AGE, PLAN))
    with pytest.raises(ClaimError, match=r"1\.0\.1 is too low.*at least 2\.0\.0 \(input 'plan' is gone") as refused:
        ship(b"2", claim="1.0.1")
    assert refused.value.as_dict()["least"] == "2.0.0"
    assert [one.version for one in registry.versions("churn")] == ["1.0.0"]


def test_a_higher_claim_is_taken(ship):
    assert ship(b"1", claim="3.0.0").version == "3.0.0"
    assert ship(b"2", claim="4.0.0").version == "4.0.0"


def test_the_first_version_cannot_be_below_one(ship):
    with pytest.raises(ClaimError, match=r"0\.1\.0 is too low: a model's first is 1\.0\.0"):
        ship(b"1", claim="0.1.0")


@pytest.mark.parametrize("claim", ["1.0.0-rc.1", "1.0.0+build", "one", "1.0"])
def test_a_claim_is_three_numbers(ship, claim):
    with pytest.raises(InvalidError, match=r"MAJOR\.MINOR\.PATCH"):
        ship(b"1", claim=claim)


def test_the_same_artefact_again_is_the_same_version(ship, registry):
    first, again = ship(b"1"), ship(b"1")
    assert (again.version, again.digest, again.fresh) == (first.version, first.digest, False)
    assert ship(b"1", claim="1.0.0").version == "1.0.0"
    with pytest.raises(ConflictError, match=r"is version 1\.0\.0 of churn.*cannot be 2\.0\.0"):
        ship(b"1", claim="2.0.0")
    assert len(registry.versions("churn")) == 1


def test_files_that_versions_share_are_kept_once(ship, registry):
    ship(b"1")
    ship(b"2")
    assert len(list(registry.blobs.all())) == 3  # two models and one list of labels


def test_the_evidence_is_kept_with_the_version(ship, registry):
    ship(b"1")
    ship(b"2", inputs=(AGE, PLAN))
    kept = registry.get("churn", "1.1.0")
    assert (kept.bump, kept.against, kept.by, kept.evidence) == (Bump.MINOR, "1.0.0", "ada", {"rows": 3})
    assert kept.changes[0].code == "input-added-optional"


def test_a_version_is_found_by_number_alias_and_digest(ship, registry):
    made = ship(b"1")
    registry.move("churn", "production", to="1.0.0", expect=None, by="ada", why="first")
    for ref in ("1.0.0", "production", made.digest, made.digest[:13]):
        assert registry.get("churn", ref).digest == made.digest


def test_what_is_not_there_is_told_with_what_is(ship, registry):
    with pytest.raises(NotFoundError, match="no model 'churn' in the registry: it holds nothing yet"):
        registry.get("churn", "1.0.0")
    ship(b"1")
    registry.move("churn", "production", to="1.0.0", expect=None, by="ada", why="first")
    for ref in ("2.0.0", "staging", "sha256:" + "0" * 64):
        with pytest.raises(NotFoundError, match=r"it has 1\.0\.0, production"):
            registry.get("churn", ref)
    with pytest.raises(NotFoundError, match="no model 'fraud' in the registry: it holds churn"):
        registry.get("fraud", "1.0.0")


@pytest.mark.parametrize("ref", ["sha256:", "sha256:12345", "sha256:%%%%%%%%", "sha256:ABCDEF0123"])
def test_a_digest_needs_enough_digits_to_mean_something(registry, ref):
    with pytest.raises(InvalidError, match="at least 6 hexadecimal digits"):
        registry.get("churn", ref)


def test_digits_that_several_versions_begin_with_are_refused(ship, registry, monkeypatch):
    monkeypatch.setattr("plumbline.deployment.registry.records.MIN_DIGITS", 0)
    ship(b"1")
    ship(b"2")
    with pytest.raises(InvalidError, match=r"may be 1\.0\.1 and 1\.0\.0 of model 'churn': give more digits"):
        registry.get("churn", "sha256:")


def test_a_digest_is_of_the_manifest_as_it_is_read_back(tmp_path, registry):
    manifest, files = artefact(tmp_path / "made")
    whole = dataclasses.replace(manifest, metrics={"rows": 1})  # an int where a float stands
    made = registry.register(whole, files, by="ada", looking=LOOKING)
    assert identity(registry.get("churn", "1.0.0").manifest) == made.digest
    assert registry.register(whole, files, by="ada", looking=LOOKING).fresh is False


def test_both_models_are_closed_also_when_the_judge_fails(tmp_path, registry, ship):
    ship(b"1")
    loaded: list[Fake] = []

    def remembered(*given, **named):
        loaded.append(load(*given, **named))
        return loaded[-1]

    def failing(old, new):
        raise InvalidError("cannot be compared")

    manifest, files = artefact(tmp_path / "made", b"2")
    with pytest.raises(InvalidError, match="cannot be compared"):
        registry.register(manifest, files, by="ada", looking=Looking(failing, remembered))
    assert [model.closed for model in loaded] == [True, True]
    assert len(registry.versions("churn")) == 1


def test_judge_and_loader_may_be_named(tmp_path, registry):
    manifest, files = artefact(tmp_path / "made")
    looking = Looking("small_artefacts:judge", "small_artefacts:load")
    assert registry.register(manifest, files, by="ada", looking=looking).version == "1.0.0"


def test_a_version_is_judged_anew_if_another_came_first(tmp_path, registry):
    first, files = artefact(tmp_path / "1", b"1")
    registry.register(first, files, by="ada", looking=LOOKING)
    rival, theirs = artefact(tmp_path / "2", b"2", inputs=(AGE, PLAN))
    against: list[str | None] = []

    def slow(old, new):
        if not against:
            registry.register(rival, theirs, by="bob", looking=LOOKING)
        against.append(old.version)
        return judge(old, new)

    mine, files = artefact(tmp_path / "3", b"3")
    made = registry.register(mine, files, by="ada", looking=Looking(slow, load))
    assert against == ["1.0.0", "1.1.0"]
    assert (made.version, made.bump) == ("2.0.0", Bump.MAJOR)  # the optional input of the rival is gone again


def test_who_is_always_late_is_told_so(tmp_path, registry, monkeypatch):
    monkeypatch.setattr(registering_module, "TRIES", 2)
    first, files = artefact(tmp_path / "first", b"0")
    registry.register(first, files, by="ada", looking=LOOKING)
    count = iter(range(1, 9))

    def overtaken(old, new):
        rival, theirs = artefact(tmp_path / "rival", b"rival %d" % next(count))
        registry.register(rival, theirs, by="bob", looking=LOOKING)
        return judge(old, new)

    mine, files = artefact(tmp_path / "mine", b"mine")
    with pytest.raises(ConflictError, match="others registered 2 versions while this one was compared"):
        registry.register(mine, files, by="ada", looking=Looking(overtaken, load))


def test_the_same_artefact_registered_by_two_at_once_is_one_version(tmp_path, registry):
    manifest, files = artefact(tmp_path / "made")

    def twin(folder, *given, **named):
        if not registry.models():
            registry.register(manifest, files, by="bob", looking=LOOKING)
        return load(folder, *given, **named)

    made = registry.register(manifest, files, by="ada", looking=Looking(judge, twin))
    assert (made.version, made.fresh, len(registry.versions("churn"))) == ("1.0.0", False, 1)


def refused(registry: Registry, tmp_path: Path, kind: type[Exception], said: str, **changed: object) -> None:
    manifest, files = artefact(tmp_path / "made")
    manifest = dataclasses.replace(manifest, **changed)  # type: ignore[arg-type]
    with pytest.raises(kind, match=said):
        registry.register(manifest, files, by="ada", looking=LOOKING)
    assert registry.models() == ()


def test_manifests_that_contradict_themselves_are_refused(registry, tmp_path):
    one = File("model.onnx", "sha256:" + "1" * 64, 9)
    refused(registry, tmp_path, InvalidError, "cannot be a model's name", model="Churn!")
    refused(registry, tmp_path, InvalidError, "entry 'other' is not among its files", entry="other")
    refused(registry, tmp_path, InvalidError, "sorted by path, each once", files=(one, one))
    refused(registry, tmp_path, InvalidError, "was not given", files=(File("a", one.digest, 1), one))
    refused(registry, tmp_path, InvalidError, "cannot be stored", metrics={"auc": float("nan")})
    refused(registry, tmp_path, InvalidError, "manifest of 'churn'", format="pickle")
    refused(registry, tmp_path, CorruptError, "but sha256:1111", files=(one,))


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../up", "a/../b", "a\\b", "", "a//b", "plumbline.json", "signatures/x"]
)
def test_files_stay_inside_the_artefact(tmp_path, path):
    with pytest.raises(InvalidError, match="of the artefact"):
        described({path: tmp_path / "x"})


def test_a_missing_file_and_a_nameless_author_are_refused(registry, tmp_path):
    manifest, files = artefact(tmp_path / "made")
    with pytest.raises(InvalidError, match="'by' is empty"):
        registry.register(manifest, files, by=" ", looking=LOOKING)
    files["model.onnx"].unlink()
    with pytest.raises(InvalidError, match="there is no such file"):
        registry.register(manifest, files, by="ada", looking=LOOKING)
    with pytest.raises(InvalidError, match="No such file"):
        described(files)


@pytest.mark.parametrize("name", ["model.pkl", "model.joblib", "model.PT", "disguised.onnx", "torch.zip"])
def test_no_pickle_gets_in_whatever_it_is_called(registry, tmp_path, name):
    path = tmp_path / name
    if name == "torch.zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", b"anything")
    else:
        path.write_bytes(pickle.dumps({"weights": [1.0]}))
    with pytest.raises(UntrustedError, match="is a pickle: loading one runs whatever its author wrote"):
        described({name: path})


def test_a_zip_without_pickles_gets_in(tmp_path):
    path = tmp_path / "model.skops"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", "{}")
    assert described({"model.skops": path})[0].path == "model.skops"
