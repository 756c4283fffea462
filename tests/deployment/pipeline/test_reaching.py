"""Where a pipeline's servers are: the lane that its file names, and where they count."""

from __future__ import annotations

from pathlib import Path

import pytest

from plumbline.deployment.core.errors import InvalidError, UnavailableError
from plumbline.deployment.pipeline import reaching
from plumbline.deployment.pipeline.lane_use import LaneUse
from plumbline.deployment.serving.desk import local_url

LANE = LaneUse(admin=("a.sock", "b.sock"))


def test_each_server_is_asked_where_it_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reaching, "ask", lambda path, _command, _timeout_s: {"metrics": f"http://{path.name}/metrics"})
    assert reaching.metrics_of(LANE, Path("/run")) == ("http://a.sock/metrics", "http://b.sock/metrics")


def test_a_server_that_does_not_say_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reaching, "ask", lambda *_: {"port": None})
    with pytest.raises(UnavailableError, match=r"/run/a.sock: .* name them in lane.metrics"):
        reaching.metrics_of(LANE, Path("/run"))


def test_a_server_that_is_gone_is_no_count_of_zero(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="no server answers"):
        reaching.metrics_of(LANE, tmp_path)


def test_lanes_that_are_not_switched_from_here_say_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match="--admin"):
        reaching.lane_of(None, tmp_path)
    with pytest.raises(InvalidError, match="own controllers, from manifests"):
        reaching.lane_of(LaneUse(kind="kubernetes"), tmp_path)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
        ("10.0.0.7", "http://10.0.0.7:80"),
        ("localhost", "http://localhost:80"),
    ],
)
def test_a_server_on_all_addresses_is_reached_on_loopback(host: str, url: str) -> None:
    assert local_url(host, 80) == url
