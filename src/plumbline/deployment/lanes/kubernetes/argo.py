"""Argo Rollouts: blue-green or canary, judged by the server's own metrics of the new version."""

from __future__ import annotations

from plumbline.deployment.lanes.kubernetes.parts import Object, described, pod_template, service
from plumbline.deployment.lanes.kubernetes.workload import Workload

_API = "argoproj.io/v1alpha1"
_KEEP_S = 60
"""How long the old pods stay after the switch, in seconds: the way back is a label, not a start."""


def blue_green(work: Workload) -> list[Object]:
    """Return a Rollout that starts all pods anew beside the old ones, asks the analysis, and moves one Service."""
    strategy = {
        "activeService": work.name,
        "previewService": f"{work.name}-preview",
        "autoPromotionEnabled": True,
        "prePromotionAnalysis": {"templates": [{"templateName": f"{work.name}-golden"}], "args": _arguments(work)},
        "postPromotionAnalysis": {"templates": [{"templateName": f"{work.name}-health"}], "args": _arguments(work)},
        "scaleDownDelaySeconds": _KEEP_S,
    }
    return [_rollout(work, {"blueGreen": strategy}), service(work), service(work, "-preview"), *_templates(work)]


def canary(work: Workload) -> list[Object]:
    """Return a Rollout that gives the new version a growing share of the pods, with an analysis after each step.

    Without a traffic router in the cluster a weight is a share of pods: 10 % of 3 replicas is one pod of four.
    """
    steps: list[Object] = []
    default = sorted({work.canary_percent, 50}) if work.canary_percent < 50 else [work.canary_percent]
    for weight in work.weights or default:
        analysis = {"templates": [{"templateName": f"{work.name}-health"}], "args": _arguments(work)}
        steps += [{"setWeight": weight}, {"analysis": analysis}]
    strategy = {
        "canaryService": f"{work.name}-canary",
        "stableService": f"{work.name}-stable",
        "maxSurge": 1,
        "maxUnavailable": 0,
        "steps": steps,
    }
    services = [service(work, suffix) for suffix in ("", "-stable", "-canary")]
    return [_rollout(work, {"canary": strategy}), *services, *_templates(work)]


def _rollout(work: Workload, strategy: Object) -> Object:
    spec = {
        "replicas": work.replicas,
        "revisionHistoryLimit": 3,
        "progressDeadlineSeconds": 600,
        "progressDeadlineAbort": True,
        "selector": {"matchLabels": work.selector},
        "strategy": strategy,
        "template": pod_template(work),
    }
    return described(_API, "Rollout", work, spec)


def _arguments(work: Workload) -> list[Object]:
    return [{"name": "version", "value": work.series}, {"name": "namespace", "value": work.namespace}]


def _templates(work: Workload) -> list[Object]:
    limits = work.limits
    window = f"[{limits.window_s}s]"
    reached = 'version="{{args.version}}",namespace="{{args.namespace}}"'
    counted = f'plumbline_model_requests_total{{{reached},outcome!="invalid"}}'
    bad = f'plumbline_model_requests_total{{{reached},outcome!~"ok|invalid"}}'
    enough = f"sum(increase({counted}{window})) >= {limits.requests}"
    share = f"(sum(increase({bad}{window})) or vector(0)) / ({enough})"
    latency = f"plumbline_model_latency_seconds_bucket{{{reached}}}"
    p99 = f"histogram_quantile(0.99, sum by (le) (rate({latency}{window}))) and on() ({enough})"
    golden = f"min(plumbline_model_golden_same{{{reached}}})"
    looks = {"count": limits.looks, "interval": f"{limits.window_s}s", "initialDelay": f"{limits.window_s}s"}
    return [
        _template(work, "golden", [_metric(work, "golden-answers", golden, "== 1", "!= 1", looks | {"count": 1})]),
        _template(
            work,
            "health",
            [
                _metric(work, "error-share", share, f"<= {limits.error_share:g}", f"> {limits.error_share:g}", looks),
                _metric(work, "p99-seconds", p99, f"<= {limits.p99_s:g}", f"> {limits.p99_s:g}", looks),
                _metric(work, "golden-answers", golden, "== 1", "!= 1", looks),
            ],
        ),
    ]


def _template(work: Workload, kind: str, metrics: list[Object]) -> Object:
    spec = {"args": [{"name": "version"}, {"name": "namespace"}], "metrics": metrics}
    return described(_API, "AnalysisTemplate", work, spec, f"{work.name}-{kind}")


def _metric(work: Workload, name: str, query: str, good: str, bad: str, looks: Object) -> Object:
    """No value, or none that is a number, is neither good nor bad: inconclusive, so the rollout pauses."""
    told = "len(result) > 0 && !isNaN(result[0]) && result[0]"
    return {
        "name": name,
        **looks,
        "successCondition": f"{told} {good}",
        "failureCondition": f"{told} {bad}",
        "failureLimit": 0,
        "inconclusiveLimit": 0,
        "provider": {"prometheus": {"address": work.prometheus, "query": query}},
    }
