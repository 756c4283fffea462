"""The page's own code, executed with HAProxy and real model servers."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
from lane_parts import wait_until

from plumbline.deployment.core.digests import short

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs/infrastructure/deployment/switching.md"


@pytest.fixture
def write():
    """Writes small ONNX models, as the server's own tests do."""
    spec = importlib.util.spec_from_file_location("serving_parts", ROOT / "tests/deployment/serving/conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.write


def test_the_page_switches_real_servers_and_loses_nothing(tmp_path, ports, write):
    blocks = re.findall(r"^``` python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 3
    served_as, digests = {}, []
    for version, bias in (("1.0.0", -1.0), ("1.1.0", 1.0)):
        digest = write(tmp_path / version, version, bias)
        home = tmp_path / "churn" / short(digest)
        (home / "venv/bin").mkdir(parents=True)
        (home / "venv/bin/plumb").write_text(f'#!/bin/sh\nexec {Path(sys.executable).parent}/plumb "$@"\n')
        (home / "venv/bin/plumb").chmod(0o755)
        (tmp_path / version).rename(home / "model")
        digests.append(digest)
        served_as[digest] = f"{version}+{short(digest)}"
    known = {"old": digests[0], "new": digests[1], "served_as": served_as}
    swaps = {"/run/plumbline": str(tmp_path), "/srv/churn": str(tmp_path / "churn"), "8080": str(ports[4])}
    swaps |= {str(9101 + number): str(port) for number, port in enumerate(ports[:4])}

    def run(block):
        for old, new in swaps.items():
            block = block.replace(old, new)
        exec(compile(block, PAGE.name, "exec"), known)

    run(blocks[0])
    run(blocks[1])
    with subprocess.Popen(["haproxy", "-db", "-f", tmp_path / "haproxy.cfg"], stderr=subprocess.DEVNULL) as haproxy:
        wait_until((tmp_path / "haproxy.sock").exists)
        try:
            run(blocks[2])
            assert known["lane"].serving().shares == {digests[0]: 1.0}
            assert set(known["client"].tally.versions) == set(served_as.values())
        finally:
            for group in known["processes"]:
                group.stop()
            haproxy.kill()
