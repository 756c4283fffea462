"""The blocks `guides` and `symptoms` list what the catalogue holds."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from markdown import Markdown

from plumbline.catalogue import Catalogue
from plumbline.handbook import HandbookError


def render(catalogue: Catalogue, text: str) -> str:
    return Markdown(
        extensions=["plumbline"], extension_configs={"plumbline": {"catalogue": str(catalogue.root)}}
    ).convert(text)


def test_each_guide_has_a_card_with_its_symptom_and_the_state_of_its_proof(
    make: Callable[..., Catalogue], write_proof: Callable[..., Path]
) -> None:
    catalogue = make("streaming.slow", "host.full")
    write_proof(catalogue, "streaming.slow")
    cards = re.findall(
        r'<div class="pl-card pl-card--(\w+)" data-id="([^"]+)">', html := render(catalogue, "/// guides | all\n///")
    )
    assert cards == [("unproven", "host.full"), ("proven", "streaming.slow")]
    assert "What to do when clients of streaming.slow stall." in html


def test_the_cards_of_an_area_leave_the_others_out(make: Callable[..., Catalogue]) -> None:
    html = render(make("streaming.slow", "host.full"), "/// guides | host\n///")
    assert 'data-id="host.full"' in html
    assert "streaming.slow" not in html


def test_the_symptoms_of_all_registers_lead_to_the_guide(make: Callable[..., Catalogue]) -> None:
    html = render(make("streaming.slow"), "/// symptoms | streaming\n///")
    assert "<li>everything is slow</li><li>memory grows</li><li><code>queue full connection=7</code></li>" in re.sub(
        r"\n", "", html
    )
    assert 'data-label="Guide"' in html
    assert "Clients of streaming.slow stall" in html


@pytest.mark.parametrize("block", ["guides", "symptoms"])
def test_an_unknown_area_is_refused_with_the_one_that_was_meant(make: Callable[..., Catalogue], block: str) -> None:
    with pytest.raises(HandbookError, match="area 'streming' does not exist; did you mean 'streaming'"):
        render(make(), f"/// {block} | streming\n///")
