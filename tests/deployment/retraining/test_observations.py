"""What is observed, from all sources together; what does not answer is named, not guessed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from plumbline.deployment.core.errors import InvalidError, UnavailableError
from plumbline.deployment.retraining import remote
from plumbline.deployment.retraining.declaration import Retraining, load
from plumbline.deployment.retraining.observations import observe
from plumbline.deployment.retraining.remote import PREFIX, queried, scraped
from plumbline.deployment.serving.metrics import metrics_table

TEXT = """
model: churn
start: [train, "{why}"]
timeout: 2h
rules:
  - {name: worse, kind: performance, measure: roc_auc, below: 0.8, until: 0.82, lasting: 1h}
  - {name: old, kind: age, above: 30d}
  - {name: more, kind: volume, above: 5000}
bugs: [{measure: error_share, above: 0.01}]
cool_down: 2d
label_delay: 7d
budget: {runs: 2, within: 14d}
observe:
  file: seen.json
"""
PAGE = """# TYPE plumbline_model_requests_total counter
plumbline_model_requests_total{version="1.0.0+0123456789ab",outcome="ok"} 90
plumbline_model_requests_total{version="1.0.0+0123456789ab",outcome="full"} 10
plumbline_model_requests_total{version="1.0.0+0123456789ab",outcome="invalid"} 500
plumbline_model_requests_total{version="1.1.0+ba9876543210",outcome="ok"} 99
plumbline_model_requests_total{version="1.1.0+ba9876543210",outcome="not_finite"} 1
# TYPE plumbline_model_rows_total counter
plumbline_model_rows_total{version="1.0.0+0123456789ab"} 100
# TYPE plumbline_model_score histogram
plumbline_model_score_bucket{version="1.0.0+0123456789ab",output="p",class="1",le="+Inf"} 90
plumbline_model_score_sum{version="1.0.0+0123456789ab",output="p",class="1"} 45
plumbline_model_score_count{version="1.0.0+0123456789ab",output="p",class="1"} 90
# TYPE plumbline_model_feature_missing_total counter
plumbline_model_feature_missing_total{version="1.0.0+0123456789ab",feature="age"} 20
"""
ANSWERS = {
    "one": '{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"0.25"]}]}}',
    "scalar": '{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}',
    "none": '{"status":"success","data":{"resultType":"vector","result":[]}}',
    "nan": '{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"NaN"]}]}}',
    "two": '{"status":"success","data":{"resultType":"vector","result":[{"value":[1,"1"]},{"value":[1,"2"]}]}}',
}


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = parse_qs(url.query).get("query", [""])[0]
        body = PAGE if url.path == "/metrics" else "no { metrics" if url.path == "/text" else ANSWERS.get(query)
        self.send_response(200 if body else 400)
        self.end_headers()
        self.wfile.write((body or "parse error at char 3").encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Page) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


def declared(folder: Path, text: str = TEXT) -> Retraining:
    (folder / "retraining.yml").write_text(text)
    return load(folder / "retraining.yml")


def test_a_file_becomes_rules_sources_and_a_command(tmp_path: Path) -> None:
    found = declared(tmp_path)
    assert [(rule.kind, rule.side, rule.enter, rule.leave, rule.hold_s) for rule in found.rules.rules] == [
        ("performance", "below", 0.8, 0.82, 3_600.0),
        ("age", "above", 30 * 86_400.0, 30 * 86_400.0, 0.0),
        ("volume", "above", 5_000.0, 5_000.0, 0.0),
    ]
    assert (found.rules.budget_runs, found.rules.cool_down_s) == (2, 2 * 86_400.0)
    assert (found.start, found.timeout_s, found.folder) == (("train", "{why}"), 7_200.0, tmp_path)
    assert found.sources.file == tmp_path / "seen.json"
    piped = declared(tmp_path, TEXT.replace('start: [train, "{why}"]', "pipeline: p.yml\nstate: r.db"))
    assert piped.start[1:] == ("deploy", str(tmp_path / "p.yml"), "--why", "{why}")
    assert piped.state == tmp_path / "r.db"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (", until: 0.82", "", "rule 'worse' has no `until`"),
        ("until: 0.82", "until: 0.7", "lies on the calm side"),
        ("below: 0.8,", "below: 0.8, above: 1,", "rule 'worse' has one limit"),
        ("measure: roc_auc, ", "", "rule 'worse' names the measure it looks at"),
        ("kind: age,", "kind: age, measure: days,", "rule 'old' has no measure: its kind"),
        ("above: 5000", "above: many", "rule 'more' has the limit 'many'"),
        ('"{why}"]', "now]", "`start` does not say why"),
        ("start:", "pipeline: p.yml\nstart:", "expected `pipeline: pipeline.yml`"),
        ("measure: error_share, above: 0.01", "measure: error_share", "bug sign 'error_share' has one limit"),
        ("observe:\n", "observe:\n  window: 0\n", "observe.window is 0"),
        ("runs: 2", "runs: 0", "with it nothing is ever trained"),
        ("cool_down", "cooldown", "did you mean 'cool_down'"),
    ],
)
def test_what_is_wrong_in_the_file_is_told(tmp_path: Path, old: str, new: str, says: str) -> None:
    with pytest.raises(InvalidError, match=says) as caught:
        declared(tmp_path, TEXT.replace(old, new, 1))
    assert str(tmp_path / "retraining.yml") in str(caught.value)


def test_measures_from_all_sources_come_together(tmp_path: Path, server: str) -> None:
    (tmp_path / "seen.json").write_text(
        '{"measures":{"offline.roc_auc":0.9,"drift":0.1},"trained_at":1000,"labels":7,"bugs":["a feature is stale"]}'
    )
    rows = "".join(f"{2000 + n},{0.2 + 0.6 * (n % 2)},{n % 2 if n % 10 else 1}\n" for n in range(400))
    (tmp_path / "p.csv").write_text("at,score,label\n" + rows)
    (tmp_path / "t.csv").write_text("age\n1\n2\n")
    more = f"""  labels: p.csv
  samples: {{training: t.csv, recent: t.csv}}
  server: {{metrics: "{server}/metrics", version: 1.0.0}}
  prometheus: {{url: "{server}", queries: {{lag: one}}}}
"""
    sight = observe(declared(tmp_path, TEXT + more), 10_000_000.0)
    seen = sight.observation
    assert sight.missed == ()
    assert (seen.labels, seen.trained_at, seen.at) == (400, 1_000.0, 10_000_000.0)
    assert seen.measures["error_share"] == 0.1
    assert seen.measures["missing.age"] == 0.2
    assert seen.measures["lag"] == 0.25
    assert seen.measures["psi.age"] == 0
    assert seen.measures["drop.roc_auc"] == pytest.approx(0.9 - seen.measures["roc_auc"])
    assert seen.bugs == ("a feature is stale", "error_share is 0.1 (above 0.01), which looks like a fault")


def test_a_source_that_does_not_answer_is_named_and_the_others_count(tmp_path: Path, server: str) -> None:
    (tmp_path / "seen.json").write_text('{"measures":{"drift":0.1},"trained_at":1000}')
    more = f"""  labels: none.csv
  prometheus: {{url: "{server}", queries: {{lag: wrong}}}}
"""
    sight = observe(declared(tmp_path, TEXT + more), 2_000.0)
    assert sight.observation.measures == {"drift": 0.1}
    assert sight.observation.labels == 0
    assert sight.observation.unknown == ("error_share",)
    assert "answers 400: parse error at char 3" in sight.missed[0]
    assert "none.csv: No such file" in sight.missed[1]


def test_without_a_time_of_training_nothing_can_be_decided(tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match=r"nothing says when 'churn' was trained: .*seen.json: No such file"):
        observe(declared(tmp_path), 1.0)
    (tmp_path / "seen.json").write_text("{}")
    with pytest.raises(InvalidError, match="name a registry, or a file with `trained_at`"):
        observe(declared(tmp_path), 1.0)


def test_a_prometheus_gives_one_number_per_query(server: str) -> None:
    assert queried(server, {"a": "one", "b": "scalar", "c": "none", "d": "nan"}).measures == {"a": 0.25, "b": 2.0}
    with pytest.raises(UnavailableError, match="'two' gives 2 series; aggregate them"):
        queried(server, {"a": "two"})


def test_a_model_server_tells_shares_of_one_version_or_of_all(server: str) -> None:
    one = scraped(f"{server}/metrics", "1.0.0")
    assert (one.measures, one.bugs) == ({"error_share": 0.1, "missing.age": 0.2, "score_mean.p.1": 0.5}, ())
    both = scraped(f"{server}/metrics")
    assert both.measures["error_share"] == 11 / 200
    assert both.bugs == ("1 answers were not finite",)
    assert scraped(f"{server}/metrics", "9.9.9").measures == {}


def test_what_is_read_of_the_model_server_is_what_it_counts() -> None:
    table = metrics_table()
    for name, labels in remote._BY.items():
        family = PREFIX + name.removesuffix("_sum").removesuffix("_count")
        (row,) = [line for line in table.splitlines() if f"`{family}`" in line]
        assert all(label in row for label in labels)


def test_what_is_no_metrics_page_or_not_there_says_so(server: str) -> None:
    with pytest.raises(UnavailableError, match="is no metrics page"):
        scraped(f"{server}/text")
    with pytest.raises(UnavailableError, match="does not answer"):
        scraped("http://127.0.0.1:1/metrics")
