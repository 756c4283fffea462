"""The Helm chart, rendered by Helm's own engine and checked against the API's schemas, offline."""

import json
import re
import shutil
import tomllib
from pathlib import Path

import helm_python
import jsonschema
import kubernetes_validate
import pytest
import yaml

from plumbline.catalogue import Catalogue
from plumbline.streaming.cluster.cachemetrics import cache_metrics_table
from plumbline.streaming.server.metrics import metrics_table
from plumbline.streaming.server.options import settings_from
from plumbline.streaming.server.serve import serve

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy/chart/plumbline-gateway"
SCHEMAS = {path.stem: json.loads(path.read_text()) for path in (Path(__file__).parent / "schemas").glob("*.json")}
KUBERNETES = "1.35"
VARIANTS = {
    "as it comes": {},
    "keda": {"autoscaling": {"kind": "keda", "tolerance": 0.05}},
    "one pod": {"autoscaling": {"kind": "none"}, "replicas": 1, "nats": {"enabled": False}},
    "everything": {
        "image": {"digest": "sha256:" + "0" * 64},
        "imagePullSecrets": [{"name": "registry"}],
        "workersPerPod": 4,
        "channels": {"scores.*": {"overflow": "latest", "history_messages": 100}},
        "auth": {
            "existingSecret": "keys",
            "files": ["new.pem", "old.pem"],
            "issuer": "https://login.example.org",
            "audience": "gateway",
        },
        "tls": {"existingSecret": "tls"},
        "broker": {
            "url": "tls://nats.example.org:4443",
            "credentialsSecret": "nats",
            "tlsSecret": "nats-ca",
            "clientCertificate": True,
        },
        "service": {"type": "LoadBalancer", "annotations": {"a": "b"}},
        "networkPolicy": {"clientsFrom": [{"namespaceSelector": {}}]},
        "monitoring": {"alerts": {"labels": {"release": "prometheus"}}, "serviceMonitor": {"labels": {"release": "p"}}},
        "telemetry": {"otlpEndpoint": "http://collector:4318"},
        "nodeSelector": {"pool": "gateways"},
        "tolerations": [{"key": "gateways", "operator": "Exists"}],
        "podAnnotations": {"x": "y"},
    },
}


@pytest.fixture(scope="session")
def chart(tmp_path_factory):
    """The chart with a stand-in for its dependency: NATS' own chart is fetched at install time, which tests cannot."""
    folder = tmp_path_factory.mktemp("chart") / CHART.name
    shutil.copytree(CHART, folder)
    stand_in = folder / "charts/nats"
    stand_in.mkdir(parents=True)
    (stand_in / "Chart.yaml").write_text("apiVersion: v2\nname: nats\nversion: 1.2.0\n")
    (stand_in / "values.yaml").write_text("{}\n")
    return folder


def render(chart, values=None):
    with helm_python.Chart.load(str(chart)) as loaded:
        texts = loaded.render(values or {}, name="live", namespace="ml")
    documents = [yaml.safe_load(text) for name, text in texts.items() if name.endswith(".yaml")]
    return {document["kind"]: document for document in documents if document}


@pytest.fixture(params=VARIANTS, scope="session")
def objects(request, chart):
    return render(chart, VARIANTS[request.param])


def container(objects):
    return objects["Deployment"]["spec"]["template"]["spec"]["containers"][0]


@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS)
def test_helm_finds_nothing_to_complain_about(chart, values):
    found = helm_python.lint(str(chart), values, strict=True)
    assert [one["error"] for one in found["messages"]] == ["icon is recommended"]


def test_every_object_fits_its_schema(objects):
    for kind, document in objects.items():
        if kind in SCHEMAS:
            jsonschema.validate(document, SCHEMAS[kind])
        else:
            kubernetes_validate.validate(document, KUBERNETES, strict=True)


def test_the_gateway_understands_its_arguments_and_its_file(objects, tmp_path):
    for name in ("nats/nats.creds", "nats-tls/ca.crt", "nats-tls/tls.crt", "nats-tls/tls.key"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "gateway.toml").write_text(objects["ConfigMap"]["data"]["gateway.toml"])
    arguments = [one.replace("/etc/plumbline", str(tmp_path)) for one in container(objects)["args"]]
    context = serve.make_context("serve", arguments)
    assert context.params["listen"] == "0.0.0.0:8765"
    settings = settings_from(context.params["config"], [])
    assert settings.drain_s == 60
    assert settings.token_keys in ("", "/etc/plumbline/keys/new.pem,/etc/plumbline/keys/old.pem")


def test_every_file_that_the_gateway_is_told_to_read_is_mounted(objects):
    mounted = tuple(one["mountPath"] for one in container(objects)["volumeMounts"])
    named = [one.partition("=")[2] for one in container(objects)["args"] if "=/" in one]
    assert named
    assert all(path.startswith(mounted) for path in named)
    volumes = {one["name"] for one in objects["Deployment"]["spec"]["template"]["spec"]["volumes"]}
    assert volumes == {one["name"] for one in container(objects)["volumeMounts"]}


def test_metrics_are_asked_where_they_are_served(objects):
    port = objects["ServiceMonitor"]["spec"]["endpoints"][0]["port"]
    served = {one["name"] for one in objects["Service"]["spec"]["ports"]}
    assert port in served <= {one["name"] for one in container(objects)["ports"]}
    assert (port == "metrics") == any(one.startswith("--metrics-listen") for one in container(objects)["args"])


def test_a_pod_has_time_to_drain(objects):
    pod = objects["Deployment"]["spec"]["template"]["spec"]
    settings = tomllib.loads(objects["ConfigMap"]["data"]["gateway.toml"])
    notice = int(pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] > notice + settings["drain_s"]


def test_a_pod_may_do_next_to_nothing(objects):
    pod = objects["Deployment"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert container(objects)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_what_is_mounted_is_there(objects):
    pod = objects["Deployment"]["spec"]["template"]["spec"]
    assert {one["name"] for one in container(objects)["volumeMounts"]} == {one["name"] for one in pod["volumes"]}


def test_everything_selects_the_same_pods(objects):
    labels = objects["Deployment"]["spec"]["template"]["metadata"]["labels"]
    found = [
        objects["Deployment"]["spec"]["selector"]["matchLabels"],
        objects["Service"]["spec"]["selector"],
        objects["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        objects["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
        objects["ServiceMonitor"]["spec"]["selector"]["matchLabels"],
    ]
    assert all(selector.items() <= labels.items() for selector in found)


def test_either_the_deployment_or_an_autoscaler_says_how_many(objects):
    scalers = {"HorizontalPodAutoscaler", "ScaledObject"} & objects.keys()
    assert len(scalers) + ("replicas" in objects["Deployment"]["spec"]) == 1


def rules(objects):
    return [one for group in objects["PrometheusRule"]["spec"]["groups"] for one in group["rules"]]


def test_every_alert_leads_to_a_guide_that_exists(objects):
    guides = {str(problem) for problem, _ in Catalogue(ROOT).guides()}
    alerts = [one for one in rules(objects) if "alert" in one]
    assert alerts
    for one in alerts:
        assert one["annotations"]["runbook_url"].rsplit("/d/", 1)[1] in guides, one["alert"]


def test_every_guide_about_streaming_has_an_alert(objects):
    led = {one["annotations"]["runbook_url"].rsplit("/d/", 1)[1] for one in rules(objects) if "alert" in one}
    guides = {str(problem) for problem, _ in Catalogue(ROOT).guides()}
    assert {one for one in guides if one.startswith("streaming.")} <= led


def test_every_rule_asks_for_metrics_that_the_gateway_has(objects):
    known = set(re.findall(r"`(plumbline_(?:gateway|cache)_\w+)`", metrics_table() + cache_metrics_table()))
    for one in rules(objects):
        asked = set(re.findall(r"plumbline_(?:gateway|cache)_\w+", one["expr"]))
        assert asked <= known, one


def test_several_pods_without_a_broker_are_refused(chart):
    with pytest.raises(helm_python.HelmError, match="several pods need a broker"):
        render(chart, {"nats": {"enabled": False}})


def test_an_unknown_value_is_refused(chart):
    with (
        helm_python.Chart.load(str(chart)) as loaded,
        pytest.raises(helm_python.HelmError, match="replicaz"),
    ):
        loaded.validate_schema({"replicaz": 3})
