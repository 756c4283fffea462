"""The policy as people write it, and the sentences they get when it is wrong."""

import pytest

from plumbline.streaming.autoscaling.policy import Policy, PolicyError

YAML = """
min_replicas: 2
max_replicas: 8
metrics:
  - name: connections
    average_value: 5000
  - {name: backlog, over: total, value: 100}
down:
  stabilization_s: 600
  select: min
  rates: [{type: pods, value: 1, period_s: 120}]
"""
TOML = """
min_replicas = 2
max_replicas = 8
metrics = [{name = "connections", average_value = 5000}, {name = "backlog", over = "total", value = 100}]
[down]
stabilization_s = 600
select = "min"
rates = [{type = "pods", value = 1, period_s = 120}]
"""


def test_yaml_and_toml_say_the_same(tmp_path):
    (tmp_path / "a.yaml").write_text(YAML)
    (tmp_path / "a.toml").write_text(TOML)
    policy = Policy.load(tmp_path / "a.yaml")
    assert policy == Policy.load(tmp_path / "a.toml")
    assert policy.down.rates[0].period_s == 120
    assert [metric.target for metric in policy.metrics] == [5000, 100]


def test_what_is_not_given_has_the_defaults_that_kubernetes_documents():
    policy = Policy.read({"max_replicas": 3, "metrics": [{"name": "connections", "average_value": 1}]})
    assert (policy.min_replicas, policy.sync_period_s) == (1, 15)
    assert (policy.up.stabilization_s, policy.up.select, policy.up.tolerance) == (0, "max", 0.1)
    assert [(rate.type, rate.value, rate.period_s) for rate in policy.up.rates] == [
        ("percent", 100, 15),
        ("pods", 4, 15),
    ]
    assert (policy.down.stabilization_s, policy.down.select, policy.down.tolerance) == (300, "max", 0.1)
    assert [(rate.type, rate.value, rate.period_s) for rate in policy.down.rates] == [("percent", 100, 15)]


GOOD = {"max_replicas": 3, "metrics": [{"name": "connections", "average_value": 1}]}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"max_replica": 3}, "there is no 'max_replica'; did you mean 'max_replicas'?"),
        ({"down": {"stabilisation_s": 3}}, "there is no 'down.stabilisation_s'; did you mean 'stabilization_s'?"),
        (
            {"down": {"stabilization_s": 3601}},
            "down.stabilization_s: Input should be less than or equal to 3600, not 3601",
        ),
        (
            {"down": {"rates": [{"type": "pods", "value": 1, "period": 3}]}},
            "there is no 'down.rates.0.period'; did you mean 'period_s'?",
        ),
        ({"down": {"rates": [{"type": "pods", "value": 1, "period_s": 1801}]}}, "less than or equal to 1800"),
        ({"up": {"rates": []}}, "up.rates: Tuple should have at least 1 item"),
        ({"up": {"tolerance": -0.1}}, "greater than or equal to 0, not -0.1"),
        ({"up": {"zzz": 1}}, "there is no 'up.zzz'; known are stabilization_s, tolerance, select, rates"),
        ({"metrics": []}, "metrics: Tuple should have at least 1 item"),
        ({"metrics": [{"name": "a"}]}, "metrics.0: a metric has one target: average_value or value"),
        ({"metrics": [{"name": "a", "value": 1, "average_value": 1}]}, "a metric has one target"),
        ({"metrics": [{"name": "a", "value": 1}]}, "give average_value, or over: total"),
        ({"metrics": [{"name": "a", "average_value": 0}]}, "greater than 0, not 0"),
        (
            {"metrics": [{"name": "a", "average_value": 1, "nme": 2}]},
            "there is no 'metrics.0.nme'; did you mean 'name'?",
        ),
        ({"min_replicas": 4}, "min_replicas=4 is more than max_replicas=3"),
        ({"min_replicas": 0}, "min_replicas=0 needs a metric over total"),
    ],
)
def test_what_is_wrong_is_named_in_one_sentence(change, says):
    with pytest.raises(PolicyError) as failed:
        Policy.read({**GOOD, **change}, where="scale.yaml")
    assert str(failed.value).startswith("scale.yaml: ")
    assert says in str(failed.value)
    assert "\n" not in str(failed.value)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.yaml", "max_replicas: [", "while parsing"),
        ("a.toml", "= 1", "Invalid"),
        ("a.yaml", "- 1", "Input should be a valid dictionary"),
        ("a.yaml", "max_replicas: 3", "'metrics' is missing"),
    ],
)
def test_a_broken_file_is_named(tmp_path, name, text, says):
    (tmp_path / name).write_text(text)
    with pytest.raises(PolicyError, match=name) as failed:
        Policy.load(tmp_path / name)
    assert says in str(failed.value)
    assert "\n" not in str(failed.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(PolicyError, match=r"^\S*none\.yaml: No such file or directory$"):
        Policy.load(tmp_path / "none.yaml")
