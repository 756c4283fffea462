"""Bundles: redacted, judged the same elsewhere, and not trusted when they come back."""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from plumbline.diagnosis import archive, bundle
from plumbline.diagnosis.archive import BundleError
from plumbline.diagnosis.bundle import Wish, open_, replay, save
from plumbline.diagnosis.findings import Status
from plumbline.diagnosis.redact import MARK, Redactor
from plumbline.diagnosis.runner import Runner
from plumbline.diagnosis.secrecy import Pseudonyms, Typed, secrets_in
from plumbline.evidence import Endpoint, Source, measured

NAMED = 'return warning(f"{number.owner} waits {number.value} s.", cause="c", impact="i", next=f"ask {number.owner}")'
TARGET = Endpoint(
    name="feed", url="wss://bob:CANARY-1@feed.corp.example:443/?token=CANARY-2", pid=4711, token="CANARY-3"
)


@pytest.fixture(scope="module")
def runner(tmp_path_factory, write, source):
    texts = {
        "host.named": source(NAMED),
        "host.away": source(read="raise UnavailableError('unreachable', 'feed.corp.example (pid 4711) is away')"),
        "host.crashes": source("os._exit(1)"),
        "host.raises": source("raise ValueError(f'{number.owner} {number.password}')"),
        "host.broken": "no",
    }
    with Runner(write(tmp_path_factory.mktemp("bundle"), texts)) as running:
        yield running


@pytest.fixture(scope="module")
def original(runner, tmp_path_factory):
    return save(runner, Wish(None, TARGET), tmp_path_factory.mktemp("saved") / "b.zip")


@pytest.fixture
def saved(original, tmp_path):
    """A saved bundle; the file is this test's own."""
    path = tmp_path / "b.zip"
    path.write_bytes(original.path.read_bytes())
    return replace(original, path=path)


def _rewrite(path, change):
    """Change the files of a zip: name to bytes, None removes."""
    with zipfile.ZipFile(path) as old:
        files = {name: old.read(name) for name in old.namelist()} | change
    with zipfile.ZipFile(path, "w") as new:
        for name, data in files.items():
            if data is not None:
                new.writestr(name, data)


def test_a_replay_comes_to_the_same_report(runner, saved):
    assert replay(runner, open_(saved.path)) == saved.report
    assert [result.status for result in saved.report.results].count(Status.UNKNOWN) == 4


def test_what_is_internal_becomes_a_label_everywhere(saved):
    results = {result.id: result for result in saved.report.results}
    assert results["host.named"].sentence == "owner-1 waits 3.0 s."
    assert results["host.named"].next == ("ask owner-1",)
    assert results["host.named"].reads == (f"the number of wss://{MARK}@host-1:443/?token={MARK}",)
    assert results["host.away"].sentence == "host-1 (pid pid-1) is away"
    assert results["host.away"].reason == "unreachable"


def test_secret_fields_never_reach_the_file(saved):
    with zipfile.ZipFile(saved.path) as zipped:
        everything = b"".join(zipped.read(name) for name in zipped.namelist())
    for canary in (b"CANARY", b"hunter2", b"alice", b"feed.corp"):
        assert canary not in everything
    record = open_(saved.path).evidence["host.named"]["number"]
    assert record["value"] == {"value": 3.0, "owner": "owner-1", "password": MARK}
    assert saved.manifest["redaction"]["secret field"] == 2


def test_what_has_no_evidence_keeps_its_recorded_result(saved):
    results = {result.id: result for result in saved.report.results}
    assert "host.crashes" not in saved.evidence
    assert results["host.crashes"].sentence == "the diagnostic's process ended before it answered"
    assert results["host.raises"].sentence.startswith(f"the diagnostic failed: ValueError: owner-1 {MARK}")


def test_the_manifest_names_versions_hashes_and_counts_but_no_values(saved, original):
    manifest = open_(saved.path).manifest
    assert manifest["schema"] == "plumbline.bundle/1"
    assert manifest["versions"]["plumbline"]
    assert set(manifest["files"]) == {"report.json", *(f"evidence/{name}.json" for name in saved.evidence)}
    assert all(len(one["sha256"]) == 64 for one in manifest["files"].values())
    assert original.path.stat().st_mode & 0o777 == 0o600


def test_the_end_of_a_log_comes_along_redacted(runner, tmp_path, monkeypatch):
    monkeypatch.setenv("APP_SECRET", "CANARY-environment")
    log = tmp_path / "gate way.log"
    log.write_text("first\n" * 20_000 + "from 10.1.2.3 with Authorization: Bearer CANARY\nenv CANARY-environment\n")
    made = save(runner, Wish(["host.named"], TARGET, (log,)), tmp_path / "b.zip")
    with zipfile.ZipFile(made.path) as zipped:
        text = zipped.read("logs/1-gate_way.log").decode()
    assert text.startswith("first\n")
    assert text.endswith(f"from {MARK} with Authorization: {MARK}\nenv {MARK}\n")
    assert len(text) <= 64 * 1024


def test_a_log_that_cannot_be_read_is_told(runner, tmp_path):
    with pytest.raises(BundleError, match=r"/nowhere\.log: the log cannot be read"):
        save(runner, Wish(["host.named"], TARGET, (tmp_path / "nowhere.log",)), tmp_path / "b.zip")


def test_a_place_that_cannot_be_written_is_told(runner, tmp_path):
    with pytest.raises(BundleError, match="cannot be written: No such file"):
        save(runner, Wish(["host.named"], TARGET), tmp_path / "none/b.zip")


def test_a_catalogue_without_the_diagnostic_cannot_replay(saved, tmp_path, write, source):
    with (
        Runner(write(tmp_path / "other", {"host.other": source()})) as other,
        pytest.raises(BundleError, match=r"no such diagnostic; name the catalogue"),
    ):
        replay(other, open_(saved.path))


def test_another_version_of_a_diagnostic_is_told(saved, tmp_path, write, source, runner):
    assert bundle.changed(runner, open_(saved.path)) == []
    texts = {one.id: one.path.read_text() for one in runner.diagnostics}
    with Runner(write(tmp_path / "new", texts | {"host.named": source()})) as newer:
        assert bundle.changed(newer, open_(saved.path)) == ["host.named"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"report.json": b"{}"}, "was altered: report.json is not what was written"),
        ({"report.json": None}, "was altered: report.json is in the manifest or in the zip"),
        ({"evidence/host.extra.json": b"{}"}, "was altered: evidence/host.extra.json is in the manifest or"),
        ({"../../etc/cron.d/x": b"x"}, "holds '../../etc/cron.d/x', which no bundle has"),
        ({"/etc/passwd": b"x"}, "which no bundle has"),
        ({"manifest.json": None}, "is a zip, but no bundle"),
        ({"manifest.json": b"{"}, "manifest.json is no JSON"),
        ({"manifest.json": b"[]"}, "is not that of a bundle"),
        ({"manifest.json": b'{"schema": "plumbline.bundle/9", "files": {}}'}, "this version reads"),
    ],
)
def test_an_altered_or_foreign_bundle_is_refused_in_one_sentence(saved, change, told):
    _rewrite(saved.path, change)
    with pytest.raises(BundleError) as caught:
        open_(saved.path)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def _forge(path, files):
    archive.write(path, files, {})


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, "has no report.json"),
        ({"report.json": b"{}"}, "is no plumbline.report/1"),
        ({"report.json": b"no"}, "report.json is no JSON"),
        ({"report.json": None, "evidence/host.a.json": b"[]"}, "holds no evidence"),
    ],
)
def test_a_forged_bundle_with_right_hashes_is_refused_all_the_same(tmp_path, report, files, told):
    good = json.dumps(report().to_json()).encode()
    _forge(tmp_path / "b.zip", {name: good if data is None else data for name, data in files.items()})
    with pytest.raises(BundleError, match=told):
        open_(tmp_path / "b.zip")


def test_a_truncated_bundle_is_refused(saved):
    saved.path.write_bytes(saved.path.read_bytes()[:-40])
    with pytest.raises(BundleError, match="is no bundle, or was cut short"):
        open_(saved.path)


def test_damage_at_any_byte_is_noticed_or_harmless(saved, runner):
    whole = saved.path.read_bytes()
    for position in range(0, len(whole), 97):
        broken = bytearray(whole)
        broken[position] ^= 0xFF
        saved.path.write_bytes(broken)
        try:
            opened = open_(saved.path)
        except BundleError:
            continue
        assert opened.report == saved.report  # the flip hit what carries no content, as a time stamp


@pytest.mark.parametrize("data", [b"", b"not a zip", b"PK\x05\x06" + b"\0" * 18])
def test_another_file_is_no_bundle(tmp_path, data):
    (tmp_path / "x.zip").write_bytes(data)
    with pytest.raises(BundleError, match=r"x\.zip: is"):
        open_(tmp_path / "x.zip")


def test_a_missing_file_or_a_folder_is_told(tmp_path):
    with pytest.raises(BundleError, match="no such file"):
        open_(tmp_path / "none.zip")
    with pytest.raises(BundleError, match="cannot be read: Is a directory"):
        open_(tmp_path)


def test_a_bundle_that_would_fill_the_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_FILE_BYTES", 1000)
    _forge(tmp_path / "b.zip", {"report.json": b"x" * 2000})
    with pytest.raises(BundleError, match=r"report\.json is larger than"):
        open_(tmp_path / "b.zip")
    monkeypatch.setattr(archive, "MAX_TOTAL_BYTES", 1000)
    with pytest.raises(BundleError, match="would unpack to more than"):
        open_(tmp_path / "b.zip")
    monkeypatch.setattr(archive, "MAX_FILES", 1)
    with pytest.raises(BundleError, match="holds 2 files; a bundle has at most 1"):
        open_(tmp_path / "b.zip")


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer."""

    address: str = measured("", "where it is", secrecy="internal")
    port: int = measured("", "its port", secrecy="internal")
    bytes: int = measured("By", "what it got")


@dataclass(frozen=True, slots=True)
class Peers:
    """Peers, a table, and what is known of them."""

    peers: tuple[Peer, ...] = measured("", "the peers")
    names: tuple[str, ...] = measured("", "their names", secrecy="internal")
    note: str = measured("", "free text")
    pin: int = measured("", "a secret number", secrecy="secret")
    up: bool = measured("", "whether it is up", secrecy="internal")
    missing: str | None = measured("", "nothing", secrecy="internal")
    table: Mapping[str, int] = measured("", "by name", secrecy="internal")
    untold: str
    sources: ClassVar[tuple[Source, ...]] = ()


PEERS = Peers(
    (Peer("10.0.0.1", 5000, 10), Peer("10.0.0.2", 5001, 20), Peer("10.0.0.1", 5000, 30)),
    ("ann", "10.0.0.1"), "password=CANARY", 1234, True, None, {"ann": 3}, "a field that says nothing of itself",
)  # fmt: skip


def test_typed_redaction_reaches_every_level_and_keeps_what_is_equal_equal():
    redacted = Typed(Redactor(personal=True), Pseudonyms()).record(PEERS)
    first, second, third = redacted.peers
    assert (first.address, second.address, third.address) == ("address-1", "address-2", "address-1")
    assert (first.port, second.port, first.bytes) == (1, 2, 10)
    assert redacted.names == ("names-1", "address-1")
    assert (redacted.note, redacted.pin, redacted.up, redacted.missing) == (f"password={MARK}", 0, True, None)
    assert redacted.table == {"names-1": 1}
    assert redacted.untold == "untold-1"


def test_typed_redaction_is_idempotent_in_kind():
    typed = Typed(Redactor(personal=True), Pseudonyms())
    once = typed.record(PEERS)
    again = Typed(Redactor(personal=True), Pseudonyms()).record(once)
    assert replace(again, names=once.names, table=once.table, untold=once.untold, peers=once.peers) == once


def test_what_secret_fields_hold_is_found_at_every_level():
    assert secrets_in(PEERS) == {"1234"}
    assert secrets_in({"a": [1, "b"]}, "secret") == {"a", "1", "b"}


def test_labels_say_nothing_of_the_value_and_short_names_stay_out_of_words():
    names = Pseudonyms()
    names.know(Endpoint(name="x", url="ws://localhost/", admin="/run/gw.sock", pid=12, netns_of=5150), "build-7")
    assert names.scrub("gw at /run/gw.sock on build-7, 5150, 12 pids of localhost, /run/gw.socket") == (
        "gw at admin-1 on host-1, netns-1, 12 pids of localhost, /run/gw.socket"
    )


def test_where_a_registry_is_and_its_password_stay_out_of_sentences():
    names = Pseudonyms()
    names.know(
        Endpoint(name="x", registry="postgresql://ml:hunter2@db.example/models", model="churn", golden="/m/g.json")
    )
    said = names.scrub("postgresql://ml:hunter2@db.example/models on db.example has no churn; /m/g.json asks for it")
    assert said == "registry-1 on host-1 has no model-1; golden-1 asks for it"
