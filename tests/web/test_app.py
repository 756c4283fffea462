"""The app over HTTP: who may start a run, what it answers, and what it refuses with one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from fastapi.testclient import TestClient

from plumbline.catalogue import Catalogue
from plumbline.web.app import create_app
from plumbline.web.settings import WebSettings

TOKEN = {"X-Plumbline-Token": "t" * 32}


def start(client: TestClient, *ids: str, **headers: str) -> dict[str, str]:
    answer = client.post("/api/diagnostics/runs", json={"ids": list(ids)}, headers=TOKEN | headers)
    assert answer.status_code == 202, answer.text
    return answer.json()


def events(client: TestClient, address: str, **headers: str) -> list[dict[str, object]]:
    text = client.get(address, headers=headers).text
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]


def code_of(answer) -> str:
    error = answer.json()["error"]
    assert error["sentence"]
    return error["code"]


def test_a_run_streams_its_events_and_leaves_a_report(client: TestClient) -> None:
    run = start(client, "host.quick")
    names = [event["event"] for event in events(client, run["events"])]
    assert names == ["run.started", "check.started", "check.finished", "run.finished"]
    report = client.get(run["report"]).json()
    assert report["worst"] == "ok"
    assert report["complete"] is True
    assert report["results"][0]["measures"][0]["limit"]["text"] == "3 s"


def test_a_stream_resumes_after_the_last_event_that_was_seen(client: TestClient) -> None:
    run = start(client, "host.quick")
    events(client, run["events"])
    rest = events(client, run["events"], **{"Last-Event-ID": "3"})
    assert [event["event"] for event in rest] == ["run.finished"]


def test_a_run_can_be_cancelled_and_the_hung_diagnostic_is_unknown(client: TestClient) -> None:
    run = start(client, "host.slow")
    assert client.get(run["report"]).status_code == 202
    assert client.delete(run["report"], headers=TOKEN).status_code == 202
    last = events(client, run["events"])[-1]
    assert last["event"] == "run.finished"
    assert last["report"]["complete"] is False


def test_the_same_run_is_joined_and_another_one_beyond_the_limit_is_429(client: TestClient) -> None:
    first = start(client, "host.slow")
    again = start(client, "host.slow")
    assert again["run"] == first["run"]
    busy = client.post("/api/diagnostics/runs", json={"ids": ["host.quick"]}, headers=TOKEN)
    assert busy.status_code == 429
    assert int(busy.headers["retry-after"]) >= 1
    client.delete(first["report"], headers=TOKEN)


def test_get_cannot_start_a_run(client: TestClient) -> None:
    answer = client.get("/api/diagnostics/runs", headers=TOKEN)
    assert answer.status_code in (404, 405)
    assert code_of(answer)


@pytest.mark.parametrize("headers", [{}, {"X-Plumbline-Token": "wrong"}, {"Authorization": "Basic dDp0"}])
def test_a_run_without_the_right_token_is_refused(client: TestClient, headers: dict[str, str]) -> None:
    answer = client.post("/api/diagnostics/runs", json={"ids": ["host.quick"]}, headers=headers)
    assert (answer.status_code, code_of(answer)) == (401, "token")


def test_a_bearer_token_serves_scripts(client: TestClient) -> None:
    headers = {"Authorization": f"Bearer {'t' * 32}"}
    answer = client.post("/api/diagnostics/runs", json={"ids": ["host.quick"]}, headers=headers)
    assert answer.status_code == 202


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "169.254.169.254", ""])
def test_a_wrong_host_is_refused_everywhere(client: TestClient, host: str) -> None:
    for path in ("/", "/api/session", "/api/diagnostics", "/healthz"):
        answer = client.get(path, headers={"Host": host})
        assert (answer.status_code, code_of(answer)) == (403, "wrong_host")


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9999", "http://localhost:8000"])
def test_a_wrong_origin_is_refused(client: TestClient, origin: str) -> None:
    headers = TOKEN | {"Origin": origin}
    answer = client.post("/api/diagnostics/runs", json={"ids": ["host.quick"]}, headers=headers)
    assert (answer.status_code, code_of(answer)) == (403, "wrong_origin")


def test_our_own_origin_may_start_runs(client: TestClient) -> None:
    start(client, "host.quick", Origin="http://127.0.0.1:8000")


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
def test_the_session_token_is_for_pages_of_this_site_only(client: TestClient, site: str) -> None:
    assert client.get("/api/session", headers={"Sec-Fetch-Site": site}).status_code == 403
    own = client.get("/api/session", headers={"Sec-Fetch-Site": "same-origin"})
    assert own.json() == {"token": "t" * 32}
    assert own.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("target", ["ws://10.0.0.1/ws", "pid:1", "/run/admin.sock", "nowhere", "../lab"])
def test_a_free_form_target_is_refused(client: TestClient, target: str) -> None:
    answer = client.post("/api/diagnostics/runs", json={"ids": ["host.quick"], "target": target}, headers=TOKEN)
    assert (answer.status_code, code_of(answer)) == (422, "target")


def test_pages_offer_the_lab_first_and_where_none_runs_a_target_that_is_named(
    client: TestClient, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("PLUMBLINE_STATE", str(tmp_path))
    monkeypatch.setenv("PLUMBLINE_CONFIG", str(tmp_path / "plumbline.toml"))
    (tmp_path / "plumbline.toml").write_text("[targets.mine]\nurl = 'ws://127.0.0.1:1/'\n")
    assert client.get("/api/targets").json() == {"targets": ["lab", "mine"], "default": "mine"}
    (tmp_path / "plumbline.toml").write_text(
        "[targets.lab]\nurl = 'ws://127.0.0.1:2/'\n[targets.a]\nurl = 'ws://127.0.0.1:1/'"
    )
    assert client.get("/api/targets").json()["default"] == "lab"


def test_a_wrong_configuration_is_said_and_mended_without_a_restart(client: TestClient, tmp_path, monkeypatch) -> None:
    config = tmp_path / "plumbline.toml"
    config.write_text("[targets.mine]\nulr = 'ws://127.0.0.1:1/'\n")
    monkeypatch.setenv("PLUMBLINE_CONFIG", str(config))
    wrong = client.get("/api/targets")
    assert (wrong.status_code, code_of(wrong)) == (503, "targets")
    config.write_text("[targets.mine]\nurl = 'ws://127.0.0.1:1/'\n")
    assert client.get("/api/targets").json()["targets"] == ["lab", "mine"]


@pytest.mark.parametrize(
    "body", [{"ids": ["; rm -rf /"]}, {"ids": "host.quick"}, {"url": "http://x"}, {"ids": ["host.quick"] * 201}, []]
)
def test_a_body_that_is_not_of_the_form_gets_one_sentence(client: TestClient, body: object) -> None:
    answer = client.post("/api/diagnostics/runs", json=body, headers=TOKEN)
    assert (answer.status_code, code_of(answer)) == (422, "invalid")


def test_an_unknown_diagnostic_and_an_unknown_run_are_404(client: TestClient) -> None:
    unknown = client.post("/api/diagnostics/runs", json={"ids": ["host.nothing"]}, headers=TOKEN)
    assert (unknown.status_code, code_of(unknown)) == (404, "no_diagnostic")
    assert code_of(client.get("/api/diagnostics/runs/r0")) == "no_run"
    assert code_of(client.get("/api/nothing")) == "no_route"


def test_the_catalogue_says_question_and_thresholds(client: TestClient) -> None:
    quick = client.get("/api/diagnostics").json()["diagnostics"][0]
    assert quick["id"] == "host.quick"
    assert quick["question"] == "Is the answer quick?"
    assert quick["thresholds"][0]["source"] == "judgement: the test's own"
    assert client.get("/api/targets").json()["default"] == "lab"


def test_pages_carry_their_policy_and_every_answer_the_security_headers(client: TestClient) -> None:
    home = client.get("/")
    assert "sha256-" in home.headers["content-security-policy"]
    for answer in (home, client.get("/api/diagnostics"), client.get("/api/nothing")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


def test_a_missing_page_is_the_sites_own_404(client: TestClient) -> None:
    answer = client.get("/no/such/page/")
    assert answer.status_code == 404
    assert "No such page" in answer.text
    assert "style-src 'self'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc/passwd"])
def test_no_path_leads_out_of_the_site(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert "root:" not in answer.text


def test_health_readiness_metrics_and_the_evergreen_address(client: TestClient) -> None:
    assert client.get("/healthz").json()["status"] == "ok"
    assert client.get("/readyz").json() == {"ready": True, "missing": []}
    run = start(client, "host.quick")
    events(client, run["events"])
    text = client.get("/metrics").text
    assert 'plumbline_findings_total{status="ok"} 1.0' in text
    assert "plumbline_http_request_seconds" in text
    moved = client.get("/d/streaming.slow-consumer", follow_redirects=False)
    assert moved.headers["location"] == "/troubleshooting/streaming/slow-consumer/"
    assert client.get("/d/nonsense").status_code == 404


def test_without_a_site_the_page_says_how_to_build_it(client: TestClient, site: Path) -> None:
    (site / "index.html").unlink()
    answer = client.get("/")
    assert answer.status_code == 503
    assert "make site" in answer.text
    assert client.get("/readyz").status_code == 503


def test_a_package_that_cannot_be_mounted_is_named_and_the_rest_is_served(
    settings: WebSettings, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no index")

    monkeypatch.setattr(
        "plumbline.web.app.entry_points", lambda **_: (SimpleNamespace(name="search", load=lambda: broken),)
    )
    with TestClient(create_app(settings, catalogue), base_url="http://127.0.0.1:8000") as page:
        answer = page.get("/api/search")
        assert answer.status_code == 503
        assert "no index" in answer.json()["error"]["sentence"]
        assert page.get("/").status_code == 200


def test_with_login_every_page_wants_the_token_once(site: Path, catalogue: Catalogue, monkeypatch) -> None:
    monkeypatch.setattr("plumbline.web.app.entry_points", lambda **_: ())
    settings = WebSettings(site=site, token="t" * 32, login=True, names=frozenset({"plumb.example"}), jobs=1)
    with TestClient(create_app(settings, catalogue), base_url="https://plumb.example") as page:
        assert (page.get("/").status_code, page.get("/healthz").status_code) == (401, 200)
        assert page.get(f"/?token={'x' * 32}").status_code == 401
        assert page.get(f"/?token={'t' * 32}").status_code == 200
        assert page.get("/api/diagnostics").status_code == 200


def test_a_page_that_did_not_change_keeps_its_own_policy(client: TestClient) -> None:
    first = client.get("/")
    again = client.get("/", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert "script-src 'self' 'sha256-" in again.headers["content-security-policy"]
    assert again.headers["content-security-policy"] == first.headers["content-security-policy"]
    assert again.headers["cache-control"] == "no-cache"
