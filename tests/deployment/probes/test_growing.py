"""A model server's memory beside its loads: looks, counts out of pages of metrics, and what grew between loads."""

import os
from pathlib import Path

import pytest

from plumbline.deployment.evidence_growing import memory_from_metrics, memory_from_pid
from plumbline.deployment.probes import growing
from plumbline.deployment.probes.growing import Look, counts, look, split, watch
from plumbline.evidence import Endpoint, UnavailableError

MIB = 1 << 20
STATUS = "Name:\tmodel\nRssAnon:\t  2048 kB\nRssFile:\t  512 kB\nVmSwap:\t  1024 kB\nThreads:\t7\n"


def looks(*rows: tuple[int, float | None]) -> list[Look]:
    return [Look(float(at), private * MIB, 0, 1, loads) for at, (private, loads) in enumerate(rows)]


@pytest.mark.parametrize(
    ("page", "loads", "requests"),
    [
        ('plumbline_model_loads_total{result="ok"} 3\nplumbline_model_loads_total{result="failed"} 1\n', 4, None),
        (':tensorflow:cc:saved_model:load_attempt_count{model_path="/m",status="success"} 12\n', 12, None),
        ('nv_inference_request_success{model="churn",version="1"} 7\nnv_inference_count{model="a"} 9\n', None, 9),
        ("# HELP model_reloads_total loads\nmodel_reloads_total 2.0 1700000000\nrequests_total NaN_\n", 2, None),
        ("node_load1 0.4\nprocess_cpu_seconds_total 3\n", None, None),
    ],
)
def test_loads_and_requests_are_known_by_the_names_that_servers_use(page, loads, requests) -> None:
    assert counts(page) == (loads, requests)


def test_a_look_reads_private_pages_with_swap_and_leaves_files_apart(tmp_path: Path) -> None:
    (tmp_path / "9").mkdir()
    (tmp_path / "9" / "status").write_text(STATUS)
    assert look(9, "loads_total 2\n", 1.5, tmp_path) == Look(1.5, 3 * MIB, MIB // 2, 7, 2.0, None)
    assert look(9, None, 0.0, tmp_path).loads is None


def test_a_staircase_grows_with_loads_and_a_slope_between_them() -> None:
    stairs = split(looks((1, 0), (1, 0), (1, 0), (2, 1), (2, 1), (2, 1), (2, 1), (3, 2), (3, 2), (3, 2)))
    assert (stairs.growth, stairs.steady, stairs.quiet_growth) == (2 * MIB, True, 0)
    assert stairs.quiet == 3
    slope = split(looks(*((at, at // 5) for at in range(11))))
    assert slope.quiet_growth == slope.growth == 10 * MIB


def test_one_step_is_not_steady_and_nothing_quiet_is_said_where_loads_follow_each_other() -> None:
    assert not split(looks((1, 0), (1, 0), (9, 1), (9, 1))).steady
    assert split(looks((1, 0), (2, 1), (3, 2))).quiet == 0


def test_a_window_has_some_thirty_looks() -> None:
    now = [0.0]
    found = watch(os.getpid(), 6.0, lambda: None, lambda: now[0], lambda s: now.__setitem__(0, now[0] + s))
    assert growing.LOOKS <= len(found) - 1 <= growing.LOOKS + 1


def test_the_evidence_is_the_difference_of_its_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    first, last = Look(0.0, 4 * MIB, 5, 3, 7.0, 70.0), Look(4.0, 6 * MIB, 9, 5, 9.0, 100.0)
    monkeypatch.setattr(growing, "watch", lambda *_: [first, last])
    told = memory_from_pid(Endpoint("model", pid=os.getpid(), model="churn"))
    assert (told.growth_bytes, told.loads, told.requests, told.threads_growth) == (2 * MIB, 2, 30, 2)
    assert (told.window_s, told.mapped_growth_bytes) == (3.0, 4)
    monkeypatch.setattr(growing, "watch", lambda *_: [last, first])
    with pytest.raises(UnavailableError, match="began anew"):
        memory_from_pid(Endpoint("model", pid=os.getpid(), model="churn"))


@pytest.mark.parametrize(("url", "reason"), [("http://127.0.0.1:9/", "unreachable"), ("ws://a/", "not_configured")])
def test_a_page_that_cannot_be_had_says_so(url: str, reason: str) -> None:
    with pytest.raises(UnavailableError) as refused:
        memory_from_metrics(Endpoint("model", pid=os.getpid(), model="churn", url=url))
    assert refused.value.reason == reason
