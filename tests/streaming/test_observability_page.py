"""The page on observability: its set-up executed against a receiver; its metrics, lines and alerts compared."""

import json
import os
import re
import runpy
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from websockets.sync.client import connect

from plumbline.streaming.server.metrics import metrics_table

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/infrastructure/observability.md").read_text()
PATIENCE_S = 30


@pytest.fixture
def receiver():
    """Run an OTLP/HTTP receiver; yields its port and what it got: service and span."""
    got = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            asked = ExportTraceServiceRequest()
            asked.ParseFromString(self.rfile.read(int(self.headers["Content-Length"])))
            for resource in asked.resource_spans:
                [service] = [
                    one.value.string_value for one in resource.resource.attributes if one.key == "service.name"
                ]
                got.extend((service, span) for scope in resource.scope_spans for span in scope.spans)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port, got
        server.shutdown()
        thread.join()


def test_the_set_up_of_the_page_sends_the_spans_of_the_page(receiver):
    port, got = receiver
    [setup] = re.findall(r"^``` \{\.bash #otel\}\n([\s\S]*?)^```$", TEXT, re.MULTILINE)
    assert ":4318" in setup
    script = (
        setup.replace(":4318", f":{port}").replace("127.0.0.1:8765", "127.0.0.1:0").replace("plumb ", "exec plumb ")
    )
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    with subprocess.Popen(
        ["bash", "-euc", script], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as child:
        url = json.loads(child.stdout.readline())["url"]
        with connect(url, compression=None, proxy=None) as link:
            link.send(json.dumps({"id": 1, "publish": "scores", "data": 0.93}))
            assert json.loads(link.recv(timeout=PATIENCE_S))["ok"]
        child.terminate()
        assert child.wait(PATIENCE_S) == 0
    assert {service for service, _ in got} == {"gateway"}
    spans = {span.name: span for _, span in got}
    section = TEXT.split("## Traces")[1].split("## Grafana")[0]
    assert spans.keys() == set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))
    assert {event.name for event in spans["publish"].events} == {"stored", "fanned-out"}


def test_every_metric_of_the_page_is_one_of_the_gateway():
    told = set(re.findall(r"plumbline_gateway_\w+", TEXT))
    known = set(re.findall(r"^\| `(\w+)`", metrics_table(), re.MULTILINE))
    assert told
    assert told <= known


def test_every_log_line_of_the_page_is_one_of_the_code():
    source = "\n".join(path.read_text() for path in (ROOT / "src/plumbline/streaming").rglob("*.py"))
    lines = re.findall(r"^\| `(?:ERROR|WARNING|INFO) … ([a-z ]+?)(?=:| \w+=|`)", TEXT, re.MULTILINE)
    assert len(lines) == 5
    for line in lines:
        assert f'"{line}"' in source or f'"{line}:' in source, line


def test_the_alerts_of_the_page_are_those_of_the_chart():
    table = runpy.run_path(str(ROOT / "deploy/alerts_table.py"))
    shown = TEXT.partition(table["BEGIN"])[2].partition(table["END"])[0]
    assert shown == table["alerts_table"](), "python deploy/alerts_table.py writes the table anew"
