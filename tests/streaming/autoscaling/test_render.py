"""A policy as Kubernetes objects, checked against the API's schemas."""

import json
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml
from click.testing import CliRunner

from plumbline.cli.autoscale import autoscale
from plumbline.streaming import Gateway
from plumbline.streaming.autoscaling.policy import Down, Metric, Policy, Rate, Up
from plumbline.streaming.autoscaling.render import RenderError, hpa, quantity, scaled_object

KEDA = json.loads((Path(__file__).parents[2] / "deploy/schemas/ScaledObject.json").read_text())
POLICY = Policy(
    min_replicas=2,
    max_replicas=9,
    metrics=(
        Metric(name="connections", average_value=5000),
        Metric(name="deliveries_per_second", over="total", average_value=0.5),
    ),
    up=Up(tolerance=0.05),
    down=Down(select="min", rates=(Rate(type="pods", value=1, period_s=60),)),
)


def test_the_horizontal_pod_autoscaler_fits_its_schema_and_says_the_same():
    made = hpa(POLICY, name="gateway", namespace="ml")
    kubernetes_validate.validate(made, "1.35", strict=True)
    spec = made["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 9)
    assert [one["type"] for one in spec["metrics"]] == ["Pods", "External"]
    assert spec["metrics"][1]["external"]["target"] == {"type": "AverageValue", "averageValue": "500m"}
    assert spec["behavior"]["scaleUp"]["tolerance"] == "0.05"
    assert "tolerance" not in spec["behavior"]["scaleDown"]
    assert spec["behavior"]["scaleDown"]["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 60}]


def test_the_scaled_object_fits_its_schema_and_never_takes_silence_for_an_empty_gateway():
    made = scaled_object(POLICY, name="gateway", prometheus="http://p:9090", namespace="ml")
    jsonschema.validate(made, KEDA)
    assert {one["metadata"]["ignoreNullValues"] for one in made["spec"]["triggers"]} == {"false"}
    assert 'service="gateway",namespace="ml"' in made["spec"]["triggers"][0]["metadata"]["query"]


def test_a_metric_without_a_query_cannot_be_asked_of_prometheus():
    strange = Policy(max_replicas=2, metrics=(Metric(name="mood", average_value=1),))
    with pytest.raises(RenderError, match="no Prometheus query is known for the metric 'mood'"):
        scaled_object(strange, name="x", prometheus="http://p")


@pytest.mark.parametrize(("value", "text"), [(5000, "5000"), (0.5, "500m"), (1.25, "1250m")])
def test_numbers_become_quantities(value, text):
    assert quantity(value) == text


@pytest.fixture
def policy(tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_text("max_replicas: 20\nmin_replicas: 2\nmetrics: [{name: connections, average_value: 5000}]\n")
    return str(path)


def run(*arguments):
    return CliRunner().invoke(autoscale, arguments)


def test_the_command_simulates_and_writes_a_report(policy, tmp_path):
    done = run(
        "simulate", policy, "--load", "square", "--duration", "3600", "--price", "1", "--out", str(tmp_path / "out")
    )
    assert done.exit_code == 0, done.output
    assert "Turns in the worst hour" in done.output
    assert "<svg" in (tmp_path / "out/report.html").read_text()
    assert json.loads((tmp_path / "out/result.json").read_text())["policies"]["policy"]["summary"]["cost"] > 0


@pytest.mark.parametrize("kind", ["hpa", "keda"])
def test_the_command_prints_an_object(policy, kind):
    done = run("render", policy, "--kind", kind)
    assert done.exit_code == 0
    assert yaml.safe_load(done.output)["metadata"]["name"] == "plumbline-gateway"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--load", "circle"], "there is no shape 'circle'"),
        (["--load", "no.csv"], "Error: no.csv: No such file"),
        (["--lifetime", "-1"], "--lifetime=-1 is no time"),
        (["--low", "9", "--high", "1"], "0 <= low <= high"),
    ],
)
def test_bad_input_is_one_sentence(policy, arguments, said):
    done = run("simulate", policy, *arguments)
    assert done.exit_code == 2
    assert said in done.output
    assert "Traceback" not in done.output


def test_five_policies_are_too_many_and_a_wrong_one_is_named(policy, tmp_path):
    assert "4 policies can be told apart" in run("simulate", *[policy] * 5).output
    (tmp_path / "wrong.yaml").write_text("max_replicas: 3\nmetrik: []\n")
    assert "did you mean 'metrics'" in run("simulate", str(tmp_path / "wrong.yaml")).output
    (tmp_path / "mood.yaml").write_text("max_replicas: 3\nmetrics: [{name: mood, average_value: 1}]\n")
    assert "known are connections" in run("render", str(tmp_path / "mood.yaml"), "--kind", "keda").output


def test_a_report_that_cannot_be_written_is_said(policy, tmp_path):
    (tmp_path / "file").write_text("")
    done = run("simulate", policy, "--duration", "60", "--out", str(tmp_path / "file"))
    assert done.exit_code == 1
    assert "cannot write to" in done.output


async def _recorded(path):
    import asyncio

    async with Gateway(admin=path):
        return await asyncio.to_thread(run, "record", "--admin", path, "--every", "0.1", "--duration", "0.25")


def test_a_running_gateway_is_recorded_as_a_load_that_can_be_replayed(policy, tmp_path):
    import asyncio

    done = asyncio.run(_recorded(str(tmp_path / "a.sock")))
    assert done.exit_code == 0, done.output
    (tmp_path / "load.csv").write_text(done.output)
    assert run("simulate", policy, "--load", str(tmp_path / "load.csv")).exit_code == 0
    assert "no admin socket" in run("record", "--admin", str(tmp_path / "none")).output
