"""Load and unload over HTTP, where somebody allowed it."""

from __future__ import annotations

import httpx

from plumbline.deployment.serving.process import Server


def test_load_and_unload_work_until_a_deployer_rules(options, versions):
    body = {"inputs": [{"name": n, "shape": [1], "datatype": "FP64", "data": [1]} for n in ("age", "balance")]}
    with Server(options(ref=None, allow_load=True)) as server, httpx.Client(base_url=server.url, timeout=30) as client:
        empty = client.get("/v2/health/ready")
        assert (empty.status_code, empty.json()["reason"]) == (503, "no_version")
        refused = client.post("/v2/models/churn/infer", json=body)
        assert (refused.status_code, refused.json()["reason"], refused.headers["retry-after"]) == (
            503,
            "no_version",
            "1",
        )
        assert client.get("/v2/models/churn").status_code == 503
        for version in ("1.0.0", "1.1.0"):
            wanted = {"parameters": {"version": version}}
            assert client.post("/v2/repository/models/churn/load", json=wanted).status_code == 200
            answer = client.post("/v2/models/churn/infer", json=body)
            assert answer.headers["x-model-version"].startswith(version)
        assert len(server.ask("status")["ready"]) == 1
        gone = client.post("/v2/repository/models/churn/load", json={"parameters": {"version": "7.0.0"}})
        assert (gone.status_code, gone.json()["reason"]) == (404, "not_found")
        assert client.post("/v2/repository/models/churn/unload").status_code == 200
        assert client.get("/v2/health/ready").status_code == 503
        server.ask("prepare", digest=versions[1]["1.0.0"], epoch=1)
        ruled = client.post("/v2/repository/models/churn/load", json={})
        assert (ruled.status_code, ruled.json()["reason"]) == (409, "conflict")
