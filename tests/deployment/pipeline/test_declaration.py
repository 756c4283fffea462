"""A pipeline's file is read whole, or refused with the line and what was meant."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from plumbline.deployment.core.errors import DeploymentError, InvalidError, NotFoundError
from plumbline.deployment.pipeline.declaration import DeclarationError, load
from plumbline.deployment.pipeline.keys import SECTIONS, keys_table
from plumbline.deployment.pipeline.parts import BlueGreen, Canary, CanaryStep, Drift, GateUse, Latency, Step, Watch

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs/reference/deployment/pipeline.md"

SMALL = """\
schema: plumbline.pipeline/1
model: {name: churn, folder: build/model}
lane: {admin: [/run/churn.sock]}
gates: [signature]
strategy: {kind: blue-green}
"""

WHOLE = """\
schema: plumbline.pipeline/1
model:
  name: churn
  folder: build/model
registry: registry
build:
  - run: python train.py --rows 1000
    time_limit: 2min
    environment: {SEED: "7"}
    keep: [AWS_PROFILE]
test:
  - run: [python, -m, pytest, -q]
evaluation: {file: data/holdout.csv, label: churned}
recent: {file: data/recent.jsonl, rows: 500}
gates:
  - signature
  - performance: {metric: roc_auc, margin: 0.02, time_limit: 90s}
  - latency:
      at_most: 20ms
strategy:
  kind: canary
  steps:
    - {share: 0.05, hold: 1min}
    - {share: 0.5, hold: 10min}
  longest: 2h
watch:
  alpha: 0.02
  latency: {slow: 250ms}
  drift: null
  business:
    - {name: orders, run: ./orders.sh, worse: less, margin: 1.1}
approval: {needed: major, by: [ada], valid: 7d}
lane:
  kind: artefact
  admin: [/run/churn.sock]
"""


@pytest.fixture
def read(tmp_path):
    def load_text(text):
        path = tmp_path / "pipeline.yml"
        path.write_text(text)
        return load(path)

    return load_text


@pytest.fixture
def refused(read):
    def why(text):
        with pytest.raises(InvalidError) as raised:
            read(text)
        return raised.value.sentence.split("pipeline.yml:")[1]

    return why


def test_every_part_is_read_into_its_type(read, tmp_path):
    pipeline = read(WHOLE)
    assert pipeline.folder == tmp_path
    assert pipeline.build == (Step("python train.py --rows 1000", 120.0, {"SEED": "7"}, ("AWS_PROFILE",)),)
    assert pipeline.test[0].run == ("python", "-m", "pytest", "-q")
    assert pipeline.gates == (
        GateUse("signature"),
        GateUse("performance", {"metric": "roc_auc", "margin": 0.02}, 90.0),
        GateUse("latency", {"at_most": "20ms"}),
    )
    assert pipeline.strategy == Canary("canary", (CanaryStep(0.05, 60.0), CanaryStep(0.5, 600.0)), 7200.0)
    assert pipeline.watch.latency == Latency(0.25)
    assert pipeline.watch.drift is None
    assert pipeline.watch.business[0].worse == "less"
    assert pipeline.approval.valid_s == 7 * 86_400
    assert pipeline.file(pipeline.recent.file) == tmp_path / "data/recent.jsonl"


def test_what_is_left_out_has_a_sensible_value(read):
    pipeline = read(SMALL)
    assert pipeline.strategy == BlueGreen("blue-green", 60.0)
    assert pipeline.watch == Watch(drift=Drift(1.25))
    assert pipeline.approval.needed == "never"
    assert pipeline.registry is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("strategy:", "stategy:"), "5: there is no 'stategy' here; did you mean 'strategy'?"),
        (("folder:", "foldr:"), "2: there is no 'foldr' here; did you mean 'folder'?"),
        (
            ("kind: blue-green", "kind: blue-grean"),
            "5: 'strategy': there is no 'blue-grean'; did you mean 'blue-green'?",
        ),
        (("lane: {admin: [/run/churn.sock]}\n", ""), "1: 'lane' is missing"),
        (("[signature]", "[signatur]"), "4: there is no gate 'signatur'; known are signature, parity"),
        (("[signature]", "[signature, signature]"), "4: gate 'signature' stands twice"),
        (("[signature]", "[]"), "4: 'gates': Tuple should have at least 1 item"),
        (
            ("[signature]", "\n  - performance: {metric: auc}"),
            "5: 'metric': there is no 'auc'; did you mean 'roc_auc'?",
        ),
        (("[signature]", "\n  - performance:\n      margin: 0.1"), "5: 'metric' is missing"),
        (
            ("[signature]", "\n  - parity:\n      tolerance: tiny"),
            "6: 'tolerance': Input should be a valid number, found 'tiny'",
        ),
        (
            ("[signature]", "\n  - parity: {tolerence: 0.1}"),
            "5: there is no 'tolerence' here; did you mean 'tolerance'?",
        ),
        (
            ("[signature]", "\n  - parity: {time_limit: soon}"),
            "5: 'time_limit': is 'soon': expected a time such as 90s",
        ),
        (("[signature]", "\n  - {parity: null, latency: null}"), "5: one gate per item"),
        (("{name: churn, folder: build/model}", "{name: churn}"), "2: 'model': a model comes from one place"),
        (("{name: churn, folder: build/model}", "churn"), "2: 'model': expected keys (name, folder, ref, version)"),
        (("{admin: [/run/churn.sock]}", "{kind: runtime}"), "3: 'lane': lane 'runtime' needs 'haproxy'"),
        (("plumbline.pipeline/1", "plumbline.pipeline/9"), "1: 'schema': String should match"),
        (("gates:", "gates: [x]\ngates:"), "5: key 'gates' is given twice"),
        (("gates: [signature]", "gates: [signature"), "5: is no YAML"),
        (("{kind: blue-green}", "{kind: blue-green, watch: -3}"), "5: 'strategy.watch': is '-3'"),
        (
            ("{kind: blue-green}", "{kind: canary, steps: [{share: 0.2, hold: 1s}, {share: 0.1, hold: 1s}]}"),
            "5: 'strategy': the shares of a canary rise",
        ),
        (
            ("{kind: blue-green}", "{kind: canary, steps: [{share: 0.9, hold: 1s}]}"),
            "5: 'strategy.steps.0.share': Input should be less than or equal to 0.5, found 0.9",
        ),
        (
            ("{kind: blue-green}", "{kind: canary, steps: [{share: 0.1}]}"),
            "5: 'strategy.steps.0.hold' is missing",
        ),
    ],
)
def test_a_mistake_is_told_with_its_line_and_what_was_meant(refused, change, said):
    assert change[0] in SMALL
    assert refused(SMALL.replace(*change)).startswith(said)


def test_all_mistakes_are_listed(read):
    with pytest.raises(DeclarationError) as raised:
        read(SMALL.replace("folder:", "foldr:").replace("[signature]", "[signature]\nwach: {}"))
    lines = [line for line, _ in raised.value.data["faults"]]
    assert lines == [2, 5]
    assert "(1 more: line 5)" in raised.value.sentence


@pytest.mark.parametrize("text", ["", "- a list", "42"])
def test_a_file_that_is_no_mapping_says_which_keys_are_expected(refused, text):
    assert "expected keys (schema, model, lane" in refused(text)


def test_a_file_that_is_missing_is_told(tmp_path):
    with pytest.raises(NotFoundError, match="there is no such file"):
        load(tmp_path / "none.yml")
    with pytest.raises(InvalidError, match="Is a directory"):
        load(tmp_path)
    (tmp_path / "latin.yml").write_bytes(b"model: caf\xe9")
    with pytest.raises(DeclarationError, match="no UTF-8 text at byte 10"):
        load(tmp_path / "latin.yml")


def test_a_data_file_that_is_missing_is_told_unless_the_build_may_make_it(read, tmp_path):
    evaluation = "evaluation: {file: holdout.csv, label: churned}\n"
    with pytest.raises(NotFoundError, match=r"pipeline.yml:6: 'evaluation.file' is .*no build step"):
        read(SMALL + evaluation)
    assert read(SMALL + evaluation + "build: [{run: make data}]").evaluation is not None
    (tmp_path / "holdout.csv").write_text("age,churned\n")
    assert read(SMALL + evaluation).evaluation is not None


@settings(max_examples=50, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=8,
    ),
    st.sampled_from(["model", "lane", "gates", "strategy", "watch", "approval", "build", "evaluation", "schema"]),
)
def test_whatever_stands_there_the_answer_is_a_pipeline_or_a_sentence_with_a_line(tmp_path_factory, value, section):
    path = tmp_path_factory.mktemp("any") / "pipeline.yml"
    whole = yaml.safe_load(WHOLE)
    path.write_text(yaml.safe_dump({**whole, section: value}))
    try:
        load(path)
    except DeploymentError as error:
        assert re.match(rf"{re.escape(str(path))}:\d+: ", error.sentence)  # noqa: PT017 (both ways are right)


def test_the_reference_lists_every_key_of_every_section():
    page = PAGE.read_text()
    for title, kind in SECTIONS.items():
        section = page.split(f"\n## {title}\n" if f"\n## {title}\n" in page else f"\n### {title}\n")[1]
        table = "\n".join(line for line in re.split(r"\n#+ ", section)[0].splitlines() if line.startswith("|"))
        assert table + "\n" == keys_table(kind), f"write the table of '{title}' anew: {keys_table(kind)}"


def test_the_pipelines_of_the_documentation_are_pipelines(read):
    blocks = re.findall(r"```yaml\n(schema: plumbline.pipeline/1\n.*?)```", PAGE.read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        read(block)
