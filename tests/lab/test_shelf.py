"""The lab's server of many models: it is ready when all of its models are, so without any, too."""

import json
import socket
import struct
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from plumbline.lab.churn import MODEL, PATH, Version, asks
from plumbline.lab.servers.http import Config
from plumbline.lab.servers.models import register
from plumbline.lab.servers.scoring import DEFAULTS, handler
from plumbline.lab.servers.shelf import Listener, Shelf


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("shelf") / "registry"
    register(str(place), [Version()])
    return place


def shelf(registry: Path, folder: Path, ref: str) -> Shelf:
    config = folder / "shelf.json"
    config.write_text(json.dumps({"registry": str(registry), "model": MODEL, "ref": ref}))
    return Shelf(Config(config, DEFAULTS), folder)


def test_with_its_model_it_is_ready_and_answers_as_the_author_says(registry: Path, tmp_path: Path) -> None:
    server = shelf(registry, tmp_path, "production")
    assert server.handle("/v2/health/ready", b"").status == 200
    one = asks()[0]
    answer = server.handle(PATH, json.dumps(one.body).encode())
    told = {output["name"]: output["data"] for output in answer.value["outputs"]}
    assert told["probabilities"] == pytest.approx(one.expect["probabilities"], abs=1e-4)


def test_a_model_that_cannot_be_loaded_is_put_aside_and_the_rest_of_none_is_ready(
    registry: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = shelf(registry, tmp_path, "prodution")
    assert "Couldn't load model 'churn'" in capsys.readouterr().err
    assert server.handle("/v2/health/ready", b"").status == 200
    answer = server.handle(PATH, b"{}")
    assert (answer.status, answer.value) == (404, {"error": "Model churn not found"})


def test_a_client_that_is_gone_leaves_no_trace_and_the_next_is_answered(
    registry: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = shelf(registry, tmp_path, "prodution")
    with Listener(("127.0.0.1", 0), handler(server)) as listener:
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            with socket.create_connection(listener.server_address) as gone:
                gone.sendall(b"GET /v2/health/ready HTTP/1.1\r\n\r\n")
                gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closed by a reset
            with urllib.request.urlopen(f"http://127.0.0.1:{listener.server_port}/v2/health/ready") as answer:
                assert answer.status == 200
            with pytest.raises(urllib.error.HTTPError, match="404") as refused:
                urllib.request.urlopen(f"http://127.0.0.1:{listener.server_port}{PATH}", data=b"{}")
            refused.value.close()
        finally:
            listener.shutdown()
            thread.join()
    assert "Traceback" not in capsys.readouterr().err  # the listener's end has waited for its threads
