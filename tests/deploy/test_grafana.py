"""The dashboard asks for metrics that the gateway has, and its panels do not lie on each other."""

import json
import re
from pathlib import Path

import prometheus_client

from plumbline.streaming.server.metrics import metrics_table

FILE = Path(__file__).parents[2] / "deploy/grafana/gateway.json"
BOARD = json.loads(FILE.read_text())
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
ASKED = [target["expr"] for panel in PANELS for target in panel["targets"]]
KINDS = dict(re.findall(r"^\| `(\w+)` \| (\w+) ", metrics_table(), re.MULTILINE))


def names(query):
    return set(re.findall(r"\b(?:plumbline_gateway|process)_\w+", query))


def test_every_metric_is_one_of_the_gateway():
    registry = prometheus_client.CollectorRegistry()
    prometheus_client.ProcessCollector(registry=registry)
    of_process = {sample.name for family in registry.collect() for sample in family.samples}
    variables = [item["query"]["query"] for item in BOARD["templating"]["list"] if item["type"] == "query"]
    asked = set().union(*map(names, ASKED + variables))
    assert {name.removesuffix("_bucket") for name in asked} <= KINDS.keys() | of_process
    assert len(asked) > 25


def test_counters_are_asked_for_as_rates_and_gauges_as_they_are():
    for query in ASKED:
        for name in names(query):
            rated = re.search(rf"rate\({name}\b", query) is not None
            assert rated == (name.endswith(("_total", "_bucket"))), query


def test_labels_are_those_of_the_metrics():
    labels = dict(re.findall(r"^\| `(\w+)` \| \w+ \| `(\w+)`", metrics_table(), re.MULTILINE))
    for query in ASKED:
        for label in set(re.findall(r"by \((\w+)\)", query)) - {"instance"}:
            assert label in {labels[name.removesuffix("_bucket")] for name in names(query)}, query


def test_panels_do_not_lie_on_each_other():
    taken = set()
    for panel in BOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
    ids = [panel["id"] for panel in BOARD["panels"]]
    assert len(ids) == len(set(ids))


def test_every_panel_asks_the_chosen_source():
    assert {target["datasource"]["uid"] for panel in PANELS for target in panel["targets"]} == {"${datasource}"}
    assert all(panel["fieldConfig"]["defaults"]["unit"] for panel in PANELS)
