"""Both builders take the blocks, strictly, and render them alike."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
CONFIG = """\
site_name: Test
site_dir: !ENV [SITE, site]
docs_dir: handbook/docs
strict: true
theme: {name: material, font: false}
plugins: []
validation:
  links: {anchors: warn, absolute_links: warn, unrecognized_links: warn}
markdown_extensions:
  - attr_list
  - tables
  - toc: {permalink: true}
  - pymdownx.superfences
  - plumbline
"""
BLOCK = re.compile(r'<section [^>]*class="pl-block.*?</section>', re.DOTALL)


def build(folder: Path, builder: str) -> str:
    """Build the site strictly (never with -q or -v: they switch parts of it off) and return what was said."""
    environment = {**os.environ, "SITE": f"site-{builder}", "NO_MKDOCS_2_WARNING": "1"}
    environment["PLUMBLINE_CATALOGUE"] = str(folder / "handbook")
    command = [str(BIN / builder), "build", "--strict"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=90)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    return done.stdout + done.stderr


def blocks(folder: Path, builder: str) -> list[str]:
    page = (folder / f"site-{builder}/troubleshooting/streaming/slow/index.html").read_text("utf-8")
    return [re.sub(r"\s+", " ", block) for block in BLOCK.findall(page)]


@pytest.fixture
def site(make, write_proof, write, tmp_path: Path) -> Path:
    catalogue = make("streaming.slow", "host.full")
    record = catalogue.root / "kb/streaming/slow/problem.yml"
    record.write_text(record.read_text().replace("- title: A slow network", "- id: host.full"))
    write_proof(catalogue, "streaming.slow")
    write(tmp_path, "mkdocs.yml", CONFIG)
    return tmp_path


def test_mkdocs_and_zensical_render_the_blocks_alike(site: Path) -> None:
    build(site, "mkdocs")
    build(site, "zensical")
    ours = blocks(site, "mkdocs")
    assert [re.search(r'data-plumbline="(\w+)"', block)[1] for block in ours] == ["problem", "diagnostic", "proof"]
    assert blocks(site, "zensical") == ours
    assert '<a href="../../host/full/">Clients of host.full stall</a>' in ours[0]


@pytest.mark.parametrize("builder", ["mkdocs", "zensical"])
def test_a_block_of_an_unknown_id_stops_the_build_and_says_what_was_meant(site: Path, builder: str) -> None:
    page = site / "handbook/docs/troubleshooting/streaming/slow.md"
    page.write_text(page.read_text().replace("/// diagnostic | streaming.slow", "/// diagnostic | streaming.slaw"))
    with pytest.raises(
        RuntimeError, match=r"diagnostic 'streaming.slaw' does not exist; did you mean 'streaming.slow'"
    ):
        build(site, builder)
