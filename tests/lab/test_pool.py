"""The lab's pool of workers: what it answers, and how it lets workers go."""

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from plumbline.lab.churn import MODEL, PATH, asks
from plumbline.lab.parts import Known
from plumbline.lab.servers.pool import Scoring


def test_it_answers_as_the_author_says() -> None:
    server = Scoring(0.0)
    for one in asks():
        answer = server.handle(PATH, json.dumps(one.body).encode())
        assert answer.value["outputs"][0]["data"] == pytest.approx(one.expect["probabilities"])
    assert server.handle("/v2/health/ready", b"").status == 200
    assert len(server.handle(f"/v2/models/{MODEL}", b"").value["inputs"]) == 3
    assert server.handle("/v3", b"").status == 404


def test_what_it_was_not_made_for_it_refuses() -> None:
    server, body = Scoring(0.0), asks()[0].body
    for value in (None, float("nan"), "x"):
        inputs = [one | {"data": [value]} for one in body["inputs"]]
        assert server.handle(PATH, json.dumps({"inputs": inputs}).encode()).status == 422
    assert server.handle(PATH, json.dumps({"inputs": body["inputs"][1:]}).encode()).status == 422


def test_a_model_is_loaded_once_and_who_asks_first_waits(capsys: pytest.CaptureFixture[str]) -> None:
    server, body = Scoring(0.0, load_s=0.001), json.dumps(asks()[0].body).encode()
    assert server.handle("/v2/health/ready", b"").status == 200
    assert "loaded" not in capsys.readouterr().err
    for _ in range(2):
        assert server.handle(PATH, body).status == 200
    assert capsys.readouterr().err.count("loaded the model in 0.001 s") == 1


def test_at_sigterm_it_answers_what_is_under_way_and_ends(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = tmp_path / "pool.json"
    config.write_text(json.dumps({"work_s": 0.5}))
    argv = [sys.executable, "-m", "plumbline.lab.servers.pool", str(port), str(config)]
    with subprocess.Popen(argv, stderr=subprocess.PIPE) as process:
        url = f"http://127.0.0.1:{port}"
        while True:
            try:
                with urllib.request.urlopen(f"{url}/v2/health/ready") as ready:
                    assert ready.status == 200
                break
            except urllib.error.URLError:
                time.sleep(0.02)
        with pytest.raises(urllib.error.HTTPError, match="422") as refused:
            urllib.request.urlopen(url + PATH, data=b'{"inputs": []}')
        refused.value.close()
        body = json.dumps(asks()[0].body).encode()
        while threads(process.pid) > 2:  # those of the answers before
            time.sleep(0.01)
        with socket.create_connection(("127.0.0.1", port)) as asking:
            asking.sendall(b"POST %b HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (PATH.encode(), len(body), body))
            while not threads(process.pid) > 2:  # two workers have one thread each, until one answers
                time.sleep(0.01)
            process.send_signal(signal.SIGTERM)
            assert asking.makefile("rb").readline().startswith(b"HTTP/1.0 200")
        _, said = process.communicate()
    assert b"2 workers were replaced, 0 of them killed" in said


def threads(pid: int) -> int:
    """Count the threads of all children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return sum(len(list(Path(f"/proc/{child}/task").iterdir())) for child in children)


def test_questions_without_a_registry_are_a_file_and_two_fields_of_the_target(tmp_path: Path) -> None:
    class Host:
        folder = tmp_path

    part = Known().build(Host())  # type: ignore[arg-type]
    part.start()
    assert part.target == {"model": MODEL, "golden": str(tmp_path / "known.json")}
    assert part.environment() == {"KNOWN_GOLDEN": str(tmp_path / "known.json")}
    assert json.loads(part.golden.read_text())[0]["body"] == asks()[0].body
