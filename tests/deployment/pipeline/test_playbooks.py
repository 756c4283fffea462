"""The commands of the playbooks on shipping and rolling back, executed in order; the pages show what they print."""

from __future__ import annotations

from pathlib import Path

import pytest
from playbooks import ROOT, example, executed, unseen

from plumbline.lab.parts.ports import free_port

PAGES = [ROOT / "docs/infrastructure/deployment" / f"{name}.md" for name in ("ship-a-model", "roll-back")]


@pytest.mark.timeout(300)
def test_a_model_is_shipped_and_taken_back_as_the_playbooks_say(tmp_path: Path) -> None:
    example(tmp_path)
    port = str(free_port())
    pages = [page.read_text().replace("/tmp/churn.sock", "churn.sock").replace("8080", port) for page in PAGES]
    printed, shown = executed(pages, tmp_path)
    assert len(shown) == 20
    assert unseen(shown, printed) == []
    told = (tmp_path / "beside.log").read_text()
    assert "answers: 1.0.0" in told
    assert "answers: 1.0.1" in told
    assert "failed:" not in told
