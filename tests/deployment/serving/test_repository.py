"""Load and unload over HTTP, where somebody allowed it."""

from __future__ import annotations

import httpx

from plumbline.deployment.core.encoding import decode
from plumbline.deployment.core.manifest import Manifest
from plumbline.deployment.registry.store import Registry
from plumbline.deployment.serving.options import Options
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


def test_versions_of_a_registry_are_served_by_number_and_switched_by_digest(tmp_path, versions):
    folder = versions[0]
    with Registry.open(tmp_path / "registry") as registry:
        for version in ("1.0.0", "1.1.0"):
            manifest = decode((folder / version / "manifest.json").read_bytes(), Manifest, version)
            files = {"model.onnx": folder / version / "model.onnx"}
            registry.register(manifest, files, by="test")
        stored = {one.version: one.digest for one in registry.versions("churn")}
        newest = max(stored, key=lambda one: [int(part) for part in one.split(".")])
    settings = Options(
        model="churn", registry=str(tmp_path / "registry"), ref="1.0.0", port=0, warmup_s=0.0, drain_grace_s=0.0
    )
    with Server(settings, tmp_path) as server:
        assert server.ask("status")["shares"] == {stored["1.0.0"]: 1.0}
        server.ask("prepare", digest=stored[newest], epoch=1)
        server.ask("share", shares={stored[newest]: 1.0}, epoch=1)
        with httpx.Client(base_url=server.url) as client:
            assert client.get("/v2/models/churn").headers["x-model-version"].startswith(newest)
            index = client.post("/v2/repository/index").json()
            assert [one["version"] for one in index] == ["1.0.0", newest]
