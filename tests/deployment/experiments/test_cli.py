"""`plumb ab`, as a person types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from plumbline.cli.main import main
from plumbline.deployment.experiments.declaration import load
from plumbline.deployment.experiments.log import read

TEXT = """
experiment: ranker
arms: [{name: control, share: 0.5, version: 1.0.0}, {name: treatment, share: 0.5, version: 2.0.0}]
metrics:
  - {name: bought, kind: share, within: 1h, mean: 0.5, detect: 0.1}
  - {name: errors, kind: share, better: down, guardrail: true, tolerated: 0.08, mean: 0.1}
units: 2000
units_per_day: 1000
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "ranker.yml"
    path.write_text(TEXT)
    return path


def plumb(*words: object, given: str | None = None) -> Result:
    return CliRunner().invoke(main, ["ab", *map(str, words)], input=given)


def filled(file: Path, units: int, bought: tuple[float, float], lost: int = 0) -> Result:
    plan, lines = load(file).plan, []
    for number in range(units):
        said = json.loads(plumb_arm(plan, f"u{number}"))
        treated = said["arm"] == "treatment"
        if treated and lost and number % lost == 0:
            continue
        lines.append(json.dumps({"unit": f"u{number}", "at": 1000.0 + number, "dimensions": {"os": "ios"}}))
        if (number * 7919) % 1000 < 1000 * bought[treated]:
            lines.append(json.dumps({"unit": f"u{number}", "metric": "bought", "at": 1001.0 + number}))
    lines.append(json.dumps({"unit": "nobody", "metric": "bought", "at": 1e6}))
    return plumb("log", file, given="\n".join(lines) + "\n\n")


def plumb_arm(plan, unit: str) -> str:
    from plumbline.deployment.experiments.assignment import assign

    return json.dumps({"arm": assign(plan, unit).name})


def test_plan_says_what_will_be_seen(file: Path) -> None:
    told = plumb("plan", file)
    assert told.exit_code == 0
    assert "2,000 units are enough" in told.output.replace("\n", " ")
    assert "They take 2 days, and 60 min more until the last have had their time." in told.output
    found = json.loads(plumb("plan", file, "--json").output)
    assert found["enough"] is True
    assert [one["guardrail"] for one in found["metrics"]] == [False, True]


def test_assign_tells_the_same_each_time_and_logs_when_asked(file: Path) -> None:
    first, second = (
        plumb("assign", file, "u1", "u2"),
        plumb("assign", file, "u1", "u2", "--log", "--dimension", "os=ios"),
    )
    assert first.output == second.output
    assert [line.split("\t")[0] for line in first.output.splitlines()] == ["u1", "u2"]
    assert [one.dimensions for one in read(load(file).log).exposures] == [{"os": "ios"}] * 2
    assert json.loads(plumb("assign", file, "u1", "--json").output)["u1"].keys() == {"arm", "version"}
    assert plumb("assign", file, "u1", "--dimension", "os").exit_code == 2
    assert "without a key" in plumb("assign", file, "").output


def test_status_says_what_to_do_and_its_exit_code_too(file: Path) -> None:
    assert filled(file, 2_000, (0.4, 0.6)).exit_code == 0
    told = plumb("status", file)
    assert told.exit_code == 0
    assert told.output.startswith("Ship. treatment is better on bought")
    found = json.loads(plumb("status", file, "--json").output)
    assert (found["advice"], found["course"]) == ("ship", [])


def test_harm_and_a_void_experiment_have_exit_codes_of_their_own(file: Path) -> None:
    filled(file, 2_000, (0.6, 0.4))
    assert plumb("status", file).exit_code == 3
    load(file).log.unlink()
    filled(file, 3_000, (0.4, 0.6), lost=3)
    told = plumb("status", file)
    assert told.exit_code == 4
    assert told.output.startswith("Cannot tell: the experiment is void. The arms are not as large as planned")


def test_torn_lines_are_told(file: Path) -> None:
    filled(file, 20, (0.4, 0.6))
    with load(file).log.open("ab") as log:
        log.write(b'{"kind":"expo')
    assert "1 lines of the log were cut off by a crash" in plumb("status", file).output


def test_report_writes_a_page_and_json(file: Path, tmp_path: Path) -> None:
    filled(file, 600, (0.5, 0.5))
    told = plumb("report", file)
    assert told.output.endswith("ranker.html is written.\n")
    assert (tmp_path / "ranker.html").read_text().startswith("<!doctype html>")
    both = plumb("report", file, "--json", tmp_path / "r.json", "--html", tmp_path / "none" / "r.html")
    assert both.exit_code == 1
    assert "the report is not written" in both.output
    assert json.loads((tmp_path / "r.json").read_text())["schema"] == "plumbline.experiment/1"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"unit":"u1","metric":"bough"}', "<stdin>:2: the plan has no metric 'bough': did you mean 'bought'?"),
        ('{"unit":"u1","arm":"b"}', "the plan has no arm 'b': it has control, treatment"),
        ('{"user":"u1"}', "<stdin>:2: "),
        ('{"unit":""}', "without a key"),
        ('{"unit":"u1","metric":"bought","value":"much"}', "Expected `float`"),
    ],
)
def test_a_line_that_is_wrong_is_named_and_nothing_of_it_is_logged(file: Path, line: str, says: str) -> None:
    told = plumb("log", file, given='{"unit":"u1","arm":"control"}\n' + line)
    assert told.exit_code == 1
    assert says in told.output


def test_a_file_or_log_that_is_not_there_is_named(file: Path) -> None:
    assert "No such file" in plumb("status", file).output
    told = plumb("plan", file.with_name("none.yml"))
    assert (told.exit_code, told.output) == (1, f"Error: {file.with_name('none.yml')}: No such file or directory\n")
