"""What the reference says of diagnostics, reports and targets is so: its examples are taken from the pages and run."""

import os
import re
import tomllib

from plumbline.catalogue import locate
from plumbline.diagnosis.findings import Status
from plumbline.diagnosis.report import Report
from plumbline.diagnosis.rules import offences
from plumbline.diagnosis.runner import Runner
from plumbline.diagnosis.targets import Target, resolve
from plumbline.evidence import Endpoint, Reason
from plumbline.host.descriptors import FileDescriptors


def _page(name):
    return (locate().root / "docs/reference" / name).read_text(encoding="utf-8")


def _fence(text, language, title=""):
    head = language + (f' title="{title}"' if title else "")
    found = re.search(rf"^```{re.escape(head)}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


def test_the_example_keeps_the_rules_and_judges_a_real_process(tmp_path, write):
    code = _fence(_page("diagnostics.md"), "python", "diagnostics/host/descriptor_room.py")
    assert list(offences(code)) == []
    with Runner(write(tmp_path, {"host.descriptor-room": code})) as runner:
        (only,) = runner.diagnostics
        (result,) = runner.run(None, Endpoint(name="here", pid=os.getpid())).results
    assert result.status in (Status.OK, Status.WARNING), result.sentence
    near = FileDescriptors(process="gateway", pid=1, open=900, soft_limit=1024, hard_limit=4096)
    finding = only.judge(near)
    assert (finding.status, finding.measures[0].value) == (Status.WARNING, 124)


def test_every_reason_is_explained():
    page = _page("report.md")
    for reason in (*Reason.__args__, "threshold", "no_evidence", "exception", "cancelled"):
        assert f"| `{reason}` |" in page


def test_the_sample_report_is_one():
    import json

    report = Report.from_json(json.loads(_fence(_page("report.md"), "json")))
    assert (report.worst, report.exit_code()) == (Status.CRITICAL, 1)


def test_the_sample_configuration_is_valid_and_every_key_is_explained(tmp_path, monkeypatch):
    page = _page("targets.md")
    text = _fence(page, "toml", "plumbline.toml")
    assert set(tomllib.loads(text)["targets"]["production"]) <= set(Target.model_fields)
    for key in Target.model_fields:
        assert f"| `{key}` |" in page
    (tmp_path / "plumbline.toml").write_text(text)
    monkeypatch.setenv("PLUMBLINE_CONFIG", str(tmp_path / "plumbline.toml"))
    assert resolve("staging").url == "ws://10.0.0.5:8080/ws"
