"""HTTP: what is answered, and what is refused with one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from plumbline.catalogue import Catalogue
from plumbline_search.api import LARGEST_BODY, mount
from plumbline_search.queries import LARGEST_LOG
from plumbline_search.service import Service
from plumbline_search.state import gaps_file

FIELDS = {
    "id", "title", "heading", "breadcrumb", "url", "page_kind", "score", "snippet", "highlights", "why", "diagnostic",
    "proven_at",
}  # fmt: skip


@pytest.fixture
def client(catalogue: Catalogue, service: Service) -> TestClient:
    app = FastAPI()
    mount(app, catalogue, service)
    return TestClient(app)


def sentence(response) -> str:
    told = response.json()["error"]
    assert set(told) == {"code", "sentence", "hint"}
    return told["sentence"]


def test_a_question_is_answered(client: TestClient):
    told = client.get("/api/search", params={"q": "memory of the gateway keeps growing", "limit": 2}).json()
    assert (told["kind"], told["mode"], told["notice"], told["no_guide"]) == ("question", "hybrid", None, False)
    assert set(told["results"][0]) == FIELDS
    assert told["results"][0]["url"] == "/troubleshooting/streaming/slow-consumer/#symptom"
    assert len(told["results"]) <= 2


@pytest.mark.parametrize("as_json", [True, False])
def test_a_log_is_answered_as_json_or_as_it_is(client: TestClient, as_json: bool):
    log = "2026-11-20 INFO x\n" * 2000 + "2026-11-20 ERROR OSError: [Errno 24] Too many open files\n"
    if as_json:
        response = client.post("/api/search", json={"log": log})
    else:
        response = client.post("/api/search", content=log, headers={"Content-Type": "text/plain; charset=utf-8"})
    told = response.json()
    assert told["kind"] == "log"
    assert told["results"][0]["id"] == "streaming.fd-exhaustion"
    assert told["results"][0]["why"]["signature"].endswith("[Errno 24] Too many open files")


def test_a_question_may_come_in_a_body(client: TestClient):
    told = client.post("/api/search", json={"q": "memory of the gateway keeps growing", "kind": "question"}).json()
    assert told["results"][0]["id"] == "streaming.slow-consumer"


def test_a_query_without_a_guide_says_so_and_is_recorded(client: TestClient):
    told = client.get("/api/search", params={"q": "bicycle token=abc123 has a flat tyre"}).json()
    assert told["no_guide"]
    assert told["results"] == []
    assert told["ask"]
    (line,) = gaps_file().read_text().splitlines()
    assert json.loads(line)["query"] == "bicycle token=[secret] has a flat tyre"


def test_an_answer_is_recorded_only_if_there_is_no_guide(client: TestClient):
    client.get("/api/search", params={"q": "memory of the gateway keeps growing"})
    assert not gaps_file().exists()


def test_what_is_being_typed_is_completed(client: TestClient):
    told = client.get("/api/suggest", params={"q": "slow con"}).json()
    assert told["suggestions"][0] == {
        "text": "One slow consumer stalls everybody",
        "page": "One slow consumer stalls everybody",
        "url": "/troubleshooting/streaming/slow-consumer/",
        "page_kind": "guide",
    }


def test_the_status_says_what_is_answered_with(client: TestClient, service: Service):
    told = client.get("/api/search/status").json()
    assert told == {
        "mode": "hybrid", "ready": True, "loaded": True, "notice": None, "index": service.state.folder.name, "pages": 3,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/api/search", 422, "q: Field required"),
        ("/api/search?q=", 422, "the query is empty"),
        ("/api/search?q=%20%09", 422, "the query is empty"),
        ("/api/search?q=%ff%fe", 400, "not UTF-8"),
        ("/api/search?q=x&limit=many", 422, "limit: Input should be a valid integer"),
        ("/api/search?q=x&limit=51", 422, "limit: Input should be less than or equal to 50"),
        ("/api/search?q=x&kind=poem", 422, "kind: Input should be"),
        ("/api/search?q=" + "x" * 1001, 414, "1001 characters, but 1000"),
        ("/api/suggest?q=x&limit=0", 422, "limit: Input should be greater"),
    ],
)
def test_a_wrong_address_is_refused_with_one_sentence(client: TestClient, path: str, status: int, said: str):
    response = client.get(path)
    assert response.status_code == status
    assert said in sentence(response)


@pytest.mark.parametrize(
    ("body", "kind", "status", "said"),
    [
        (b"", "application/json", 400, "no JSON"),
        (b"{", "application/json", 400, "no JSON"),
        (b"[]", "application/json", 422, "body: Input should be"),
        (b"{}", "application/json", 422, "one of the two"),
        (b'{"q": "a", "log": "b"}', "application/json", 422, "one of the two"),
        (b'{"q": "a", "lgo": "b"}', "application/json", 422, "lgo: Extra inputs"),
        (b'{"q": 7}', "application/json", 422, "q: Input should be a valid string"),
        (b'{"log": ""}', "application/json", 422, "the query is empty"),
        (b'{"q": "gateway", "limit": 99}', "application/json", 422, "limit:"),
        (b'"\xff"', "application/json", 400, "not UTF-8 (byte 1)"),
        (b"\xff", "text/plain", 400, "not UTF-8 (byte 0)"),
        (b"<q/>", "application/xml", 415, "application/xml"),
        (b"x" * (LARGEST_LOG + 1), "text/plain", 413, "256 KiB"),
        (b"x" * (LARGEST_BODY + 1), "text/plain", 413, "512 KiB"),
        (b"[" * 100_000, "application/json", 400, "no JSON"),
    ],
)
def test_a_wrong_body_is_refused_with_one_sentence(client: TestClient, body: bytes, kind: str, status: int, said: str):
    response = client.post("/api/search", content=body, headers={"Content-Type": kind})
    assert response.status_code == status
    assert said in sentence(response)


def test_a_hybrid_answer_that_cannot_be_had_is_503(catalogue: Catalogue, home: Path):
    app = FastAPI()
    lexical = Service(catalogue, home=home)
    lexical.load()
    mount(app, catalogue, lexical)
    client = TestClient(app)
    assert client.get("/api/search?q=gateway").status_code == 200
    refused = client.get("/api/search?q=gateway&mode=hybrid")
    assert refused.status_code == 503
    assert "no search index yet" in sentence(refused)
    assert client.post("/api/search", json={"q": "gateway", "mode": "hybrid"}).status_code == 503


def test_an_empty_handbook_is_503(tmp_path: Path):
    app = FastAPI()
    empty = Service(Catalogue(tmp_path), home=tmp_path / "none")
    empty.load()
    mount(app, empty.catalogue, empty)
    client = TestClient(app)
    assert "nothing to search" in sentence(client.get("/api/search?q=gateway"))
    assert client.get("/api/search/status").json()["ready"] is False


def test_the_search_starts_with_the_app(catalogue: Catalogue):
    app = FastAPI()
    mount(app, catalogue)
    assert not app.state.search.loaded
    with TestClient(app) as client:
        assert client.get("/api/search?q=gateway memory").status_code == 200
        assert app.state.search.wait(30).loaded


def test_openapi_tells_bodies_answers_and_refusals(client: TestClient):
    told = client.get("/openapi.json").json()["paths"]["/api/search"]
    assert set(told["post"]["requestBody"]["content"]) == {"application/json", "text/plain"}
    assert told["get"]["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].endswith("/Answer")
    assert {"400", "413", "414", "422", "503"} <= set(told["get"]["responses"])
