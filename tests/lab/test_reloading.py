"""The lab's scoring service that loads its model anew: how many versions it keeps, and what it counts."""

import json
import threading
import urllib.request
from pathlib import Path

import pytest

from plumbline.lab.churn import MODEL, PATH, Version, asks
from plumbline.lab.servers.http import Config
from plumbline.lab.servers.models import register
from plumbline.lab.servers.reloading import _DEFAULTS, Reloading, with_metrics
from plumbline.lab.servers.scoring import Listener


@pytest.fixture
def config(tmp_path: Path) -> Path:
    register(str(tmp_path / "registry"), [Version()])
    file = tmp_path / "model.json"
    file.write_text(json.dumps({"registry": str(tmp_path / "registry"), "table_kib": 1, "versions_kept": 2}))
    return file


def test_it_keeps_as_many_versions_as_it_is_told_and_answers_with_the_newest(config: Path, tmp_path: Path) -> None:
    service = Reloading(Config(config, _DEFAULTS), tmp_path)
    for _ in range(4):
        service.reload()
    assert (service.loads, len(service.versions)) == (4, 2)
    one = asks()[0]
    answer = service.handle(PATH, json.dumps(one.body).encode())
    told = {output["name"]: output["data"] for output in answer.value["outputs"]}
    assert told["probabilities"] == pytest.approx(one.expect["probabilities"], abs=1e-4)
    config.write_text(json.dumps({"registry": str(tmp_path / "registry"), "versions_kept": 1}))
    service.reload()
    assert len(service.versions) == 1


def test_its_page_of_metrics_counts_loads_and_requests(config: Path, tmp_path: Path) -> None:
    service = Reloading(Config(config, _DEFAULTS), tmp_path)
    service.reload()
    service.handle(PATH, json.dumps(asks()[0].body).encode())
    with Listener(("127.0.0.1", 0), with_metrics(service)) as listener:
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            address = f"http://127.0.0.1:{listener.server_address[1]}"
            page = urllib.request.urlopen(f"{address}/metrics", timeout=10).read().decode()
            ready = urllib.request.urlopen(f"{address}/v2/health/ready", timeout=10).status
        finally:
            listener.shutdown()
            thread.join()
    assert f'scoring_model_loads_total{{model="{MODEL}"}} 1\n' in page
    assert f'scoring_requests_total{{model="{MODEL}"}} 1\n' in page
    assert ready == 200
