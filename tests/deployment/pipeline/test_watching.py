"""What a watch says of counts, and where it gets them."""

from __future__ import annotations

import http.server
import math
import sys
import threading
from functools import partial

import numpy as np
import pytest

from plumbline.deployment.core.errors import InvalidError, UnavailableError
from plumbline.deployment.core.verdicts import Outcome
from plumbline.deployment.pipeline import parts
from plumbline.deployment.pipeline.commands import answered
from plumbline.deployment.pipeline.observing import Scraped
from plumbline.deployment.pipeline.outlook import outlook, visible_rate
from plumbline.deployment.pipeline.plan import Plan, Stage
from plumbline.deployment.pipeline.ports import Reading
from plumbline.deployment.pipeline.stage import Start
from plumbline.deployment.pipeline.watching import look, since
from plumbline.deployment.statistics.power import detectable_rate
from plumbline.deployment.statistics.ratio import Ratio

NEW, OLD = "sha256:" + "b" * 64, "sha256:" + "a" * 64
LEFT, ORDERS = parts.Business("baskets left", "count", "more"), parts.Business("orders", "count", "less")
ALL = parts.Watch(latency=parts.Latency(0.1), business=(LEFT, ORDERS))


def reading(requests=5_000, errors=50, missing=0, slow=100, low=2_500, left=100, orders=100):
    return Reading(
        requests,
        errors,
        missing,
        ((0.1, requests - slow), (math.inf, requests)),
        ((0.5, low), (math.inf, requests)),
        {"baskets left": (left, requests), "orders": (orders, requests)},
    )


def test_two_sides_that_are_alike_pass_and_every_guard_is_named() -> None:
    judged = look(ALL, reading(), reading(), 0.5)
    assert judged.outcome is Outcome.PASS
    assert set(judged.guards) == {"errors", "latency", "missing", "drift", "baskets left", "orders"}


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ({"errors": 300}, "answered with an error: 300 of 5000 (6.00%) beside 50 of 5000 (1.00%)"),
        ({"slow": 600}, "slower than 0.1 s: 600 of 5000"),
        ({"missing": 60}, "without an output: 60 of 5000"),
        ({"low": 4_500}, "scores that fall elsewhere"),
        ({"left": 400}, "with 'baskets left': 400"),
        ({"orders": 10}, "with 'orders': 10"),
    ],
)
def test_each_harm_is_seen_and_said_with_its_figures(harm, said) -> None:
    judged = look(ALL, reading(**harm), reading(), 0.5)
    assert judged.outcome is Outcome.FAIL
    assert said in judged.sentence


def test_more_orders_and_fewer_errors_are_no_harm() -> None:
    assert look(ALL, reading(errors=0, orders=400), reading(), 0.5).outcome is Outcome.PASS


def test_too_little_traffic_on_either_side_is_inconclusive_and_so_is_a_watch_without_guards() -> None:
    assert look(ALL, Reading(requests=9), Reading(requests=3), 0.5).outcome is Outcome.INCONCLUSIVE
    assert "no traffic is not health" in look(ALL, Reading(), Reading(), 0.5).sentence
    blind = parts.Watch(errors=None, drift=None, missing=None)
    assert "nothing was looked at" in look(blind, reading(), reading(), 0.5).sentence


def test_sides_that_do_not_meet_the_same_traffic_say_nothing() -> None:
    judged = look(ALL, reading(errors=500), Reading(requests=3), 0.5)
    assert judged.outcome is Outcome.INCONCLUSIVE
    assert "do not meet the same traffic" in judged.sentence


def test_a_harmless_candidate_is_rolled_back_in_at_most_one_of_a_hundred_watches_and_harm_is_soon_seen() -> None:
    rng = np.random.default_rng(7)
    watch = parts.Watch(drift=None)
    false, seen = 0, []
    for _ in range(60):
        for rate in (0.01, 0.05):
            new, old = np.cumsum(rng.random(1_000) < rate), np.cumsum(rng.random(1_000) < 0.01)
            for n in range(40, 1_000, 40):
                judged = look(watch, Reading(n, int(new[n - 1])), Reading(n, int(old[n - 1])), 0.5)
                if judged.outcome is Outcome.FAIL:
                    false += rate == 0.01
                    seen += [n] if rate == 0.05 else []
                    break
    assert false <= 3  # 1.5 at most are expected, and fewer seen: the bound is of the worst case
    assert np.median(seen) <= 400


def test_a_server_that_was_started_anew_counts_from_0() -> None:
    before, after = reading(), reading(requests=100, errors=3)
    assert since(after, before) == after
    assert since(reading(requests=6_000, errors=60), before).errors == 10
    assert since(before, before).latency == ((0.1, 0), (math.inf, 0))


def test_what_a_watch_can_see_is_said_in_rates_and_agrees_with_the_simulation() -> None:
    said = outlook(ALL, 60, 20, 0.01, 0.5)
    assert said.requests == 1_200
    assert said.visible is not None
    assert f"an error rate of {said.visible:.2%} or more (the baseline's is 1.00%)" in said.sentence
    assert "not even a version that always fails" in outlook(ALL, 1, 2, 0.0, 0.5).sentence
    assert "errors are not watched" in outlook(parts.Watch(errors=None), 60, 20, 0.01, 0.5).sentence
    quick, simulated = (of(Ratio(), 0.01, 1_200, 0.5, 0.005) for of in (visible_rate, detectable_rate))
    assert quick == pytest.approx(simulated, rel=0.35)


def test_a_stage_gives_at_most_half_and_a_rollback_names_its_target() -> None:
    with pytest.raises(InvalidError, match=r"up to 0\.5, not 0\.6"):
        Stage(0.6, 1, 1)
    with pytest.raises(InvalidError, match="names its target"):
        Plan("churn", "ada", "x", kind="rollback")


def test_the_start_of_a_stage_survives_the_journal_with_its_infinite_bounds() -> None:
    start = Start(12.5, {NEW: reading()})
    assert Start.of(start.as_data()["start"]) == start


METRICS = """\
# TYPE plumbline_model_requests_total counter
plumbline_model_requests_total{version="",outcome="not_found"} 9
plumbline_model_requests_total{version="1.1.0+bbbbbbbbbbbb",outcome="ok"} 90
plumbline_model_requests_total{version="1.1.0+bbbbbbbbbbbb",outcome="failed"} 5
plumbline_model_requests_total{version="1.1.0+bbbbbbbbbbbb",outcome="not_finite"} 3
plumbline_model_requests_total{version="1.1.0+bbbbbbbbbbbb",outcome="full"} 2
plumbline_model_requests_total{version="1.0.0+aaaaaaaaaaaa",outcome="ok"} 1000
plumbline_model_requests_total{version="1.0.0+aaaaaaaaaaaa#baseline",outcome="ok"} 80
# TYPE plumbline_model_latency_seconds histogram
plumbline_model_latency_seconds_bucket{version="1.1.0+bbbbbbbbbbbb",le="0.1"} 80
plumbline_model_latency_seconds_bucket{version="1.1.0+bbbbbbbbbbbb",le="+Inf"} 90
plumbline_model_latency_seconds_sum{version="1.1.0+bbbbbbbbbbbb"} 4
plumbline_model_latency_seconds_count{version="1.1.0+bbbbbbbbbbbb"} 90
"""


@pytest.fixture
def metrics():
    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/metrics" else 503)
            self.end_headers()
            self.wfile.write(METRICS.encode())

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_metrics_of_several_servers_are_added_up_by_version_and_copies_are_kept_apart(metrics) -> None:
    source = Scraped([f"{metrics}/metrics"] * 2)
    found = source.read([NEW, OLD, OLD + "#baseline"])
    source.close()
    assert found[NEW] == Reading(200, 10, 6, ((0.1, 160), (math.inf, 180)))
    assert (found[OLD].requests, found[OLD + "#baseline"].requests) == (2_000, 160)


def test_a_place_of_copies_counts_copies_whatever_version_its_server_says(metrics) -> None:
    source = Scraped([f"{metrics}/metrics", f"{metrics}/metrics#baseline"])
    found = source.read([OLD, OLD + "#baseline"])
    source.close()
    assert (found[OLD].requests, found[OLD + "#baseline"].requests) == (1_000, 80 + 1_000 + 80)


def test_metrics_that_cannot_be_read_are_an_error_and_not_zero(metrics) -> None:
    source = Scraped([f"{metrics}/metrics", f"{metrics}/gone"])
    with pytest.raises(UnavailableError, match="/gone"):
        source.read([NEW])
    source.close()


def command(code, **more):
    return parts.Business("orders", (sys.executable, "-c", code), "less", **more)


@pytest.fixture
def asking(tmp_path):
    """Return counts that a command gives; it runs as a deployment's does, in the folder of the pipeline's file."""
    folder = tmp_path / "pipeline"
    folder.mkdir()

    def ask(business):
        ask_it = partial(answered, folder=folder, log=tmp_path / "watch.log", variables={"PLUMBLINE_SINCE": "4.0"})
        source = Scraped([], [business], ask_it)
        try:
            return source.read([NEW, OLD])[NEW].business
        finally:
            source.close()

    return ask


def test_business_events_come_from_a_command_that_knows_since_when(asking) -> None:
    code = (
        f"import os, json; print(json.dumps({{'{NEW}': {{'events': float(os.environ['PLUMBLINE_SINCE']), 'of': 9}}}}))"
    )
    assert asking(command(code)) == {"orders": (4, 9)}


def test_a_business_command_starts_in_the_files_folder_and_sees_only_what_it_is_to_see(asking, tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", "of the deployer")
    monkeypatch.setenv("WANTED", "7")
    (tmp_path / "pipeline" / "orders").write_text("9")
    code = (
        "import json, os, sys; assert 'SECRET' not in os.environ; print('a warning', file=sys.stderr);"
        f" print(json.dumps({{'{NEW}': {{'events': int(os.environ['WANTED']), 'of': int(open('orders').read())}}}}))"
    )
    assert asking(command(code, keep=("WANTED",))) == {"orders": (7, 9)}
    assert asking(command(code, environment={"WANTED": "3"})) == {"orders": (3, 9)}
    assert (tmp_path / "watch.log").read_text() == "a warning\n" * 2


def test_a_business_command_that_hangs_is_killed(asking) -> None:
    with pytest.raises(UnavailableError, match=r"'orders' cannot be read: .* was killed after its time limit of 0.2 s"):
        asking(command("import time; time.sleep(60)", time_limit_s=0.2))


def test_without_somebody_who_runs_it_a_business_metric_is_not_silently_left_out() -> None:
    source = Scraped([], [command("")])
    with pytest.raises(UnavailableError, match="nobody runs its command"):
        source.read([NEW])
    source.close()


@pytest.mark.parametrize("code", ["print(1)", "raise SystemExit(2)", f'print(\'{{"{NEW}": {{"events": -1}}}}\')'])
def test_a_business_command_that_gives_no_counts_is_an_error(asking, code) -> None:
    with pytest.raises(UnavailableError, match="'orders'"):
        asking(command(code))
