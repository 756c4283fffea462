"""What is rendered for a cluster: checked offline against schemas, and against the server that it is to start."""

import copy
import json
import re
from dataclasses import replace
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from plumbline.cli.model_serve import serve
from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.lanes import kubernetes
from plumbline.deployment.lanes.kubernetes import TARGETS, Limits, Workload, as_yaml, render
from plumbline.deployment.lanes.kubernetes.checking import check
from plumbline.deployment.serving.metrics import metrics_table

KUBERNETES = "1.35"
CUSTOM = {"Rollout", "AnalysisTemplate", "InferenceService", "ServingRuntime"}
SCHEMAS = Path(kubernetes.__file__).parent / "schemas"
ONE, TWO = "a" * 64, "b" * 64
WORK = Workload(
    name="churn",
    namespace="ml",
    model="churn",
    version="2.1.0",
    digest=f"sha256:{ONE}",
    image=f"registry.example.org:5000/ml/churn@sha256:{TWO}",
    storage_uri=f"oci://registry.example.org/ml/churn@sha256:{ONE}",
    previous=f"oci://registry.example.org/ml/churn@sha256:{TWO}",
    callers={"app": "shop"},
)


def second_opinion(document):
    """Ask the whole of Kubernetes' schemas, of which the lane's own check has a part."""
    if document["kind"] not in CUSTOM:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
        return
    spec = document["spec"]
    if template := spec.get("template"):
        whole = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "x"}, "template": template}
        kubernetes_validate.validate(whole, KUBERNETES, strict=True)
    if "containers" in spec:
        pod = {"containers": spec["containers"], "volumes": spec["volumes"]}
        whole = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": pod}
        kubernetes_validate.validate(whole, KUBERNETES, strict=True)


def of_kind(objects, kind):
    return [one for one in objects if one["kind"] == kind]


def pods(objects):
    return [one["spec"]["template"] for one in objects if "template" in one.get("spec", {})]


def servers(objects):
    specs = [one["spec"].get("template", one).get("spec", {}) for one in objects if "spec" in one]
    return [container for spec in specs for container in spec.get("containers", [])]


def places(value, path=()):
    """Every place that holds a field, as paths."""
    for key, held in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        if isinstance(value, dict):
            yield (*path, key)
        yield from places(held, (*path, key))


OTHER = replace(WORK, previous=None, callers={}, canary_percent=60, replicas=1)


@pytest.mark.parametrize(
    ("target", "work"), [*((target, WORK) for target in TARGETS), ("argo-canary", OTHER), ("kserve", OTHER)]
)
def test_every_object_is_valid_and_survives_its_own_yaml(target, work):
    objects = render(work, target)
    for document in objects:
        check(document)
        second_opinion(document)
    assert list(yaml.safe_load_all(as_yaml(objects))) == objects
    assert "&id" not in as_yaml(objects)
    assert as_yaml(render(work, target)) == as_yaml(objects)
    names = [(one["kind"], one["metadata"]["name"]) for one in objects]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("target", TARGETS)
def test_a_misspelt_field_anywhere_in_any_object_is_refused(target):
    free = {"labels", "annotations", "matchLabels", "requests", "limits"}
    tried = 0
    for document in render(WORK, target):
        for place in places(document):
            if free & set(place[:-1]) or place[-1].startswith("app.kubernetes.io/"):  # labels may be any
                continue
            broken = copy.deepcopy(document)
            holder = broken
            for key in place[:-1]:
                holder = holder[key]
            holder[f"{place[-1]}x"] = holder.pop(place[-1])
            with pytest.raises(InvalidError):
                check(broken)
            tried += 1
    assert tried > 60


def test_a_misspelt_field_is_named_with_its_object_and_place():
    (rollout,) = of_kind(render(WORK, "argo-canary"), "Rollout")
    pod = rollout["spec"]["template"]["spec"]
    pod["containers"][0]["readynessProbe"] = pod["containers"][0].pop("readinessProbe")
    with pytest.raises(InvalidError, match=r"Rollout churn: spec\.template\.spec\.containers\.0: .*readynessProbe"):
        check(rollout)
    with pytest.raises(InvalidError, match="no schema of kind 'Job'"):
        check({"kind": "Job"})


def test_argos_schemas_are_its_own_and_hold_what_is_never_rendered_too():
    """Fields of Argo's CRDs that nobody here would have written down."""
    (rollout,) = of_kind(render(WORK, "argo-canary"), "Rollout")
    canary = rollout["spec"]["strategy"]["canary"]
    canary["trafficRouting"] = {"nginx": {"stableIngress": "churn"}}
    canary["steps"].append(
        {"setHeaderRoute": {"name": "beta", "match": [{"headerName": "x", "headerValue": {"exact": "1"}}]}}
    )
    rollout["spec"]["rollbackWindow"] = {"revisions": 3}
    check(rollout)
    canary["trafficRouting"]["nginx"]["stableIngres"] = "churn"
    with pytest.raises(InvalidError, match="stableIngres"):
        check(rollout)


def test_kserves_schemas_are_read_from_its_sdk_and_hold_what_is_never_rendered_too():
    (service,) = of_kind(render(WORK, "kserve"), "InferenceService")
    predictor = service["spec"]["predictor"]
    predictor |= {"maxReplicas": 4, "scaleMetric": "cpu", "tolerations": [{"key": "gpu", "operator": "Exists"}]}
    check(service)
    predictor["tolerations"][0]["opperator"] = "Exists"
    with pytest.raises(InvalidError, match=r"InferenceService churn: spec\.predictor\.tolerations\.0: .*opperator"):
        check(service)
    del predictor["tolerations"]
    del service["spec"]["canary"][0]["trafficPercent"]
    with pytest.raises(InvalidError, match="'trafficPercent' is a required property"):
        check(service)


def test_each_vendored_file_has_its_origin_and_is_small():
    origin = (SCHEMAS / "ORIGIN.md").read_text()
    for path in SCHEMAS.glob("*.json"):
        assert f"`{path.name}`" in origin
        assert path.stat().st_size < 80_000
    for word in ("Argo Rollouts 1.5.0", "sha512", "LICENSE.kubernetes-models", "are **not** KServe's CRDs"):
        assert word in origin


@pytest.mark.parametrize("target", TARGETS)
def test_pods_are_restricted_tell_when_they_are_ready_and_end_gently(target):
    objects = render(WORK, target)
    (server,) = servers(objects)
    assert server["readinessProbe"]["httpGet"]["path"] == "/v2/health/ready"
    assert server["image"].endswith(f"@sha256:{TWO}")
    context = server["securityContext"]
    assert (context["allowPrivilegeEscalation"], context["readOnlyRootFilesystem"], context["runAsNonRoot"]) == (
        False,
        True,
        True,
    )
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    for template in pods(objects):
        pod = template["spec"]
        notice = server["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert pod["terminationGracePeriodSeconds"] > notice + WORK.drain_s
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
    assert ("lifecycle" in server) == (target != "kserve-knative")


@pytest.mark.parametrize("target", ["plain", "argo-bluegreen", "argo-canary"])
def test_what_refers_to_another_object_refers_to_one_that_is_there(target):
    objects = render(WORK, target)
    labels = pods(objects)[0]["metadata"]["labels"]
    selectors = [one["spec"]["selector"] for one in of_kind(objects, "Service")]
    selectors += [one["spec"]["selector"]["matchLabels"] for one in of_kind(objects, "PodDisruptionBudget")]
    selectors += [one["spec"]["podSelector"]["matchLabels"] for one in of_kind(objects, "NetworkPolicy")]
    assert all(selector.items() <= labels.items() for selector in selectors)
    assert len(selectors) >= 3
    text = json.dumps(objects)
    services = {one["metadata"]["name"] for one in of_kind(objects, "Service")}
    templates = {one["metadata"]["name"] for one in of_kind(objects, "AnalysisTemplate")}
    assert set(re.findall(r'"(?:active|preview|stable|canary)Service": "([^"]+)"', text)) <= services
    assert set(re.findall(r'"templateName": "([^"]+)"', text)) <= templates
    accounts = {one["metadata"]["name"] for one in of_kind(objects, "ServiceAccount")}
    assert pods(objects)[0]["spec"]["serviceAccountName"] in accounts


def test_nothing_goes_out_and_only_callers_and_the_metrics_reader_come_in():
    (policy,) = of_kind(render(WORK, "plain"), "NetworkPolicy")
    assert policy["spec"]["egress"] == []
    sources = policy["spec"]["ingress"][0]["from"]
    assert sources[0] == {"podSelector": {"matchLabels": {"app": "shop"}}}
    assert sources[1]["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "monitoring"}
    (anybody,) = of_kind(render(replace(WORK, callers={}), "plain"), "NetworkPolicy")
    assert anybody["spec"]["ingress"][0]["from"][0] == {"podSelector": {}}


@pytest.mark.parametrize("target", ["argo-bluegreen", "argo-canary"])
def test_analyses_ask_for_metrics_that_the_server_has_and_take_silence_for_neither(target):
    known = metrics_table()
    metrics = [metric for one in of_kind(render(WORK, target), "AnalysisTemplate") for metric in one["spec"]["metrics"]]
    assert {metric["name"] for metric in metrics} == {"golden-answers", "error-share", "p99-seconds"}
    for metric in metrics:
        query = metric["provider"]["prometheus"]["query"]
        for name in re.findall(r"plumbline_model_\w+", query):
            assert f"`{name.removesuffix('_bucket')}`" in known
        assert query.count("(") == query.count(")")
        for condition in (metric["successCondition"], metric["failureCondition"]):
            assert condition.startswith("len(result) > 0 && !isNaN(result[0]) && ")
        assert metric["inconclusiveLimit"] == 0
    share = next(metric for metric in metrics if metric["name"] == "error-share")
    assert ">= 300" in share["provider"]["prometheus"]["query"]
    text = json.dumps(render(WORK, target))
    assert '{"name": "version", "value": "2.1.0+aaaaaaaaaaaa"}' in text


def test_a_canary_grows_step_by_step_and_each_step_is_judged():
    (rollout,) = of_kind(render(WORK, "argo-canary"), "Rollout")
    steps = rollout["spec"]["strategy"]["canary"]["steps"]
    assert [step.get("setWeight") for step in steps] == [10, None, 50, None]
    assert all("analysis" in step for step in steps[1::2])
    (rollout,) = of_kind(render(replace(WORK, canary_percent=60), "argo-canary"), "Rollout")
    assert len(rollout["spec"]["strategy"]["canary"]["steps"]) == 2


def test_kserve_gives_the_canary_its_share_beside_the_version_before():
    (service,) = of_kind(render(WORK, "kserve"), "InferenceService")
    (canary,) = service["spec"]["canary"]
    assert canary["trafficPercent"] == 10
    assert canary["predictor"]["model"]["storageUri"] == WORK.storage_uri
    assert service["spec"]["predictor"]["model"]["storageUri"] == WORK.previous
    (first,) = of_kind(render(replace(WORK, previous=None), "kserve"), "InferenceService")
    assert "canary" not in first["spec"]
    assert first["spec"]["predictor"]["model"]["storageUri"] == WORK.storage_uri
    (knative,) = of_kind(render(WORK, "kserve-knative"), "InferenceService")
    assert knative["spec"]["predictor"]["canaryTrafficPercent"] == 10


def test_the_server_understands_the_arguments_that_kserve_is_told_to_give_it():
    (server,) = servers(render(WORK, "kserve"))
    context = serve.make_context("serve", list(server["args"]))
    assert (context.params["model"], context.params["folder"], context.params["port"]) == ("churn", "/mnt/models", 8080)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"name": "Churn"}, "lower-case letters"),
        ({"name": "c" * 60}, "at most 42"),
        ({"namespace": "a.b"}, "namespace 'a.b'"),
        ({"digest": "sha256:1"}, "no digest"),
        ({"version": "2"}, "no semantic version"),
        ({"image": "churn:latest"}, "another image tomorrow"),
        ({"storage_uri": "oci://registry/churn:2"}, "expected oci://"),
        ({"previous": "s3://x"}, "expected oci://"),
        ({"replicas": 0}, "at least 1 replica"),
        ({"canary_percent": 100}, "canary of 1 to 99"),
        ({"memory_mi": 1}, "64 MiB"),
        ({"weights": (50, 10)}, "rise"),
        ({"weights": (0, 10)}, "between 1 and 99"),
    ],
)
def test_a_workload_that_a_cluster_would_refuse_or_that_may_change_is_refused(wrong, says):
    with pytest.raises(InvalidError, match=says):
        replace(WORK, **wrong)


@pytest.mark.parametrize("wrong", [{"error_share": 0}, {"error_share": 1}, {"p99_s": 0}, {"window_s": 1}, {"looks": 0}])
def test_limits_that_judge_nothing_are_refused(wrong):
    with pytest.raises(InvalidError, match="limits: "):
        Limits(**wrong)


def test_what_a_target_lacks_is_said():
    with pytest.raises(InvalidError, match="give its storage_uri"):
        render(replace(WORK, storage_uri=None), "kserve")
    with pytest.raises(InvalidError, match="'nomad' is no target: plain, "):
        render(WORK, "nomad")
