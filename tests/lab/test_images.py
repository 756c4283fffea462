"""The lab's builder of images, and its node that pulls them."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from plumbline.deployment.packaging.reading import sizes, verify
from plumbline.lab.errors import LabError
from plumbline.lab.images import build
from plumbline.lab.servers.http import Config
from plumbline.lab.servers.node import MODEL, Node

POD = json.dumps({"coefficients": {"tickets": 1.0}, "intercept": -1.0}).encode()
LEAN = "FROM scratch AS build\nCOPY . /all/\n\nFROM scratch\nCOPY --from=build /all/model.json /srv/model/\n"


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    (folder / "tools").mkdir(parents=True)
    (folder / "model.json").write_bytes(POD)
    (folder / "tools" / "cc").write_bytes(bytes(300_000))
    return folder


def node(tmp_path: Path, **config: object) -> Node:
    disk = tmp_path / "disk"
    disk.mkdir()
    file = tmp_path / "node.json"
    file.write_text(json.dumps({"image": str(tmp_path / "image"), **config}))
    defaults = {"image": "", "disk_bytes": 200_000, "evict_above": 0.85, "again_s": 0.0, "look_s": 0.0}
    return Node(Config(file, defaults), disk)


def asked(one: Node, path: str = "/score", **query: str) -> tuple[int, dict]:
    answer = asyncio.run(one.handle(path, query))
    return answer.status, answer.value


def test_what_it_builds_is_a_whole_layout_with_a_layer_for_each_step(context: Path, tmp_path: Path) -> None:
    build("FROM scratch\nCOPY . /srv/ # all\nRUN rm -rf /srv/tools\n", context, tmp_path / "image")
    assert verify(tmp_path / "image") == 4
    assert [one.holds for one in sizes(tmp_path / "image")] == ["COPY . /srv/ # all", "RUN rm -rf /srv/tools"]


def test_the_same_files_are_the_same_layer_in_another_image(context: Path, tmp_path: Path) -> None:
    for name, text in {
        "one": "FROM scratch\nCOPY tools/ /\n",
        "two": "FROM scratch\nCOPY tools /\nCOPY . /x\n",
    }.items():
        build(text, context, tmp_path / name)
    assert sizes(tmp_path / "one")[0].digest == sizes(tmp_path / "two")[0].digest


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("COPY . /\n", "line 1, 'COPY . /': a Containerfile begins with FROM"),
        ("FROM scratch\nRUN make\n", "line 2, 'RUN make': this builder knows"),
        ("FROM scratch\nCOPY nothing /\n", "there is no nothing"),
        ("FROM debian\n", "line 1"),
        ("# nothing\n", "there is no FROM"),
    ],
)
def test_a_line_that_it_does_not_know_is_named(context: Path, tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(LabError, match=said):
        build(text, context, tmp_path / "image")
    assert not (tmp_path / "image").exists()


def test_the_command_builds_by_the_context_s_own_file_and_says_what_is_wrong(context: Path, tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "plumbline.lab.images", str(context), str(tmp_path / "image")]
    missing = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert missing.returncode == 1
    assert missing.stderr.startswith("build-image: ")
    (context / "Containerfile").write_text(LEAN)
    subprocess.run([*argv, "--squash"], check=True)
    assert len(sizes(tmp_path / "image")) == 1


def test_a_node_runs_the_pod_of_its_image_and_fetches_a_layer_once(context: Path, tmp_path: Path) -> None:
    one = node(tmp_path)
    assert asked(one) == (503, {"error": "no pod runs here: ContainerCreating"})
    build(LEAN, context, tmp_path / "image")
    one.look()
    assert asked(one, tickets="1") == (200, {"probability": 0.5})
    fetched = asked(one, "/stats")[1]["fetched_bytes"]
    build(f"{LEAN}LABEL a=b\n", context, tmp_path / "image")
    one.look()
    assert asked(one, "/stats")[1]["fetched_bytes"] == fetched > 0


def test_an_image_that_does_not_fit_evicts_the_pod_and_a_lean_one_brings_it_back(
    context: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = node(tmp_path)
    build(LEAN, context, tmp_path / "image")
    one.look()
    build(f"{LEAN}COPY tools/ /usr/bin/\n", context, tmp_path / "image")
    one.look()
    assert asked(one) == (503, {"error": "no pod runs here: ErrImagePull"})
    said = capsys.readouterr().err
    assert "The node was low on resource: ephemeral-storage" in said
    assert "failed to register layer: write /usr/bin/cc: no space left on device" in said
    build(LEAN, context, tmp_path / "image")
    one.look()
    assert asked(one, tickets="1")[0] == 200
    assert [path.name for path in (tmp_path / "disk").iterdir()] == [
        one.digest.removeprefix("sha256:") for one in sizes(tmp_path / "image")
    ]


def test_a_model_that_a_higher_layer_deletes_is_not_there(context: Path, tmp_path: Path) -> None:
    one = node(tmp_path)
    build(f"{LEAN}RUN rm -rf /srv/model\n", context, tmp_path / "image")
    with pytest.raises(FileNotFoundError, match=MODEL):
        one.look()
