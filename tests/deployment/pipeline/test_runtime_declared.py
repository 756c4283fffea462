"""What a pipeline's file may say of a runtime lane: the example is one, and what cannot work is refused."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from plumbline.deployment.core.errors import InvalidError
from plumbline.deployment.lanes.frontdoor import Address, FrontDoor, configuration
from plumbline.deployment.pipeline.declaration import load

EXAMPLES = Path(__file__).parents[3] / "examples/deployment"


def test_the_example_is_a_pipeline_and_its_haproxy_knows_the_same_servers() -> None:
    lane = load(EXAMPLES / "runtime.yml").lane
    groups = {group.name: [Address.of(server.address) for server in group.servers] for group in lane.every}
    door = FrontDoor(Address("127.0.0.1", 8080), lane.haproxy or "", f"{lane.folder}/servers.state")
    assert (EXAMPLES / "haproxy.cfg").read_text() == configuration(door, groups)
    subprocess.run(["sh", "-n", EXAMPLES / "runtime.sh"], check=True)
    page = (EXAMPLES.parents[1] / "docs/infrastructure/deployment/switching.md").read_text()
    (shown,) = re.findall(r"^``` yaml\n(lane:\n.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert (EXAMPLES / "runtime.yml").read_text().endswith(shown)


LANE = yaml.safe_load((EXAMPLES / "runtime.yml").read_text())["lane"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"admin": ["a.sock"]}, "'admin' is no key of lane 'runtime', which has haproxy, backend"),
        ({"groups": LANE["groups"][:1]}, "needs two groups"),
        ({"groups": [LANE["groups"][0], LANE["groups"][0]]}, "group 'blue' stands twice"),
        (
            {"baseline": {"name": "fresh", "servers": [{"address": "127.0.0.1:9101"}]}},
            "address '127.0.0.1:9101' stands",
        ),
        (
            {"baseline": {"name": "b", "servers": [{"address": "127.0.0.1:1", "name": "blue1"}]}},
            "server 'blue1' stands",
        ),
        ({"baseline": {"name": "b", "servers": [{"address": "localhost"}]}}, "'localhost' is no address"),
        ({"baseline": {"name": "b 1", "servers": [{"address": "127.0.0.1:1"}]}}, "a group is named with letters"),
        ({"baseline": {"name": "b", "servers": []}}, "should have at least 1 item"),
        ({"start": None}, "lane 'runtime' needs 'start'"),
        ({"start": {"run": "serve {port}"}}, "must name {digest} or {short}"),
        ({"start": {"run": "serve {digest}"}}, "must name {port} or {address}"),
        ({"start": {"run": "serve {digest} {prot}"}}, "names {prot}; known are {digest}, {short}, {host}"),
        ({"start": {"run": "serve {digest} {port} {admin}"}}, "give every server its 'admin'"),
        ({"start": {"run": "serve {digest} {port"}}, "a brace that is meant is written twice"),
        ({"start": {"rum": "serve"}}, "there is no 'rum' here; did you mean 'run'?"),
        ({"install": [{"run": "make {port}"}]}, "'install' names {port}; known are {digest}, {short}"),
    ],
)
def test_a_lane_that_cannot_work_is_refused_with_what_is_meant(change, said, tmp_path) -> None:
    whole = yaml.safe_load((EXAMPLES / "runtime.yml").read_text())
    whole["lane"] = json.loads(json.dumps({**whole["lane"], **change}))  # nothing shared: an alias is refused
    path = tmp_path / "pipeline.yml"
    path.write_text(yaml.safe_dump(whole, sort_keys=False))
    with pytest.raises(InvalidError) as raised:
        load(path)
    assert re.match(rf"{re.escape(str(path))}:\d+: ", raised.value.sentence)
    assert said in raised.value.sentence
