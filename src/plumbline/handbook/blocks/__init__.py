"""Markdown blocks `diagnostic`, `problem`, `proof`, `guides`, `symptoms`: a Python-Markdown extension for any builder.

Write `/// diagnostic | streaming.slow-consumer`, and `///` on the next line. All markup is complete without JavaScript.

Common: the root is `<section class="pl-block pl-KIND" data-plumbline="KIND" data-id="ID" aria-label=…>`; its title is
`<p class="pl-block__title"><span class="pl-kind">Diagnostic</span> …</p>` (no heading: the page's outline stays the
author's). A status is `<span class="pl-status pl-status--ok|warning|critical|unknown">` with `pl-status__icon` (hidden
from screen readers) and `pl-status__word`. Tables are `<div class="pl-table"><table class=…>` with row headers and
`data-label` on cells. Facts are `<dl class="pl-facts">`; commands `<pre class="pl-command"><code>`.

- diagnostic: root also has `data-pl-diagnostic="ID"` and `data-question`; `<div class="pl-live" data-pl-live>` is the
  empty container for live results; `table.pl-thresholds`; `details.pl-sample.pl-sample--critical` and `--ok` hold the
  recorded outputs (`.pl-result__verdict`, `table.pl-measures`), `p.pl-diagnostic__unrecorded` says there are none;
  `details.pl-reads`.
- problem: root also has `pl-problem--page|ticket`; `p.pl-label` before each list; `table.pl-causes`, whose rows have
  the id `cause-CAUSE` and link to the heading that treats the cause.
- proof: root also has `pl-proof--proven|stale|failed|unproven` and the same word as `data-state`; `p.pl-proof__told`
  says what to do; `details.pl-proof__phases`, `details.pl-proof__versions`.
"""

from __future__ import annotations

import posixpath
from typing import Any
from xml.etree.ElementTree import Element

from markdown import Markdown
from pymdownx.blocks import BlocksExtension, BlocksProcessor
from pymdownx.blocks.block import Block

from plumbline.catalogue import locate
from plumbline.handbook.blocks.diagnostic import diagnostic_block
from plumbline.handbook.blocks.listing import guides_block, symptoms_block
from plumbline.handbook.blocks.problem import problem_block
from plumbline.handbook.blocks.proof import proof_block
from plumbline.handbook.blocks.shelf import Shelf


class _Block(Block):  # type: ignore[misc]  # pymdownx ships no types
    """A block whose argument is an id."""

    ARGUMENT = True

    @property
    def shelf(self) -> Shelf:
        shelf: Shelf = self.config["shelf"]()
        return shelf

    def on_markdown(self) -> str:
        return "block"

    def link_to(self, source: str) -> str | None:
        page = page_path(self.md)
        return posixpath.relpath(source.removeprefix("docs/"), posixpath.dirname(page) or ".") if page else None


class _Diagnostic(_Block):
    NAME = "diagnostic"

    def on_create(self, parent: Element) -> Element:
        return _placed(parent, diagnostic_block(self.shelf, self.argument.strip()))


class _Problem(_Block):
    NAME = "problem"

    def on_create(self, parent: Element) -> Element:
        return _placed(parent, problem_block(self.shelf, self.argument.strip(), self.link_to))


class _Proof(_Block):
    NAME = "proof"

    def on_create(self, parent: Element) -> Element:
        return _placed(parent, proof_block(self.shelf, self.argument.strip()))


class _Guides(_Block):
    NAME = "guides"

    def on_create(self, parent: Element) -> Element:
        return _placed(parent, guides_block(self.shelf, self.argument.strip(), self.link_to))


class _Symptoms(_Block):
    NAME = "symptoms"

    def on_create(self, parent: Element) -> Element:
        return _placed(parent, symptoms_block(self.shelf, self.argument.strip(), self.link_to))


def page_path(md: Markdown) -> str | None:
    """Return the path below `docs/` of the page that a builder is rendering; None when no builder says so."""
    for processor in md.treeprocessors:
        uri = getattr(getattr(processor, "file", None), "src_uri", None)  # MkDocs
        if isinstance(uri, str):
            return uri
    for preprocessor in md.preprocessors:
        path = getattr(getattr(preprocessor, "page", None), "path", None)  # Zensical
        if isinstance(path, str):
            return path
    return None


def _placed(parent: Element, made: Element) -> Element:
    parent.append(made)
    return made


class PlumblineExtension(BlocksExtension):  # type: ignore[misc]  # pymdownx ships no types
    """Registers the blocks. The catalogue is the option `catalogue`, else the one that `locate` finds."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.config = {"catalogue": ["", "Folder that holds docs/, kb/ and diagnostics/; found by itself when empty."]}
        self._shelf: Shelf | None = None
        super().__init__(*args, **kwargs)

    def extendMarkdownBlocks(self, md: Markdown, block_mgr: BlocksProcessor) -> None:  # noqa: ARG002, N802 - pymdownx's
        """Register the blocks."""
        for block in (_Diagnostic, _Problem, _Proof, _Guides, _Symptoms):
            block_mgr.register(block, {"shelf": self.shelf})

    def shelf(self) -> Shelf:
        """Return the catalogue's records; looked for when a page has a block, not when the builder starts."""
        if self._shelf is None:
            self._shelf = Shelf(locate(self.getConfig("catalogue") or None))
        return self._shelf


def makeExtension(*args: Any, **kwargs: Any) -> PlumblineExtension:  # noqa: N802 - Python-Markdown calls it so
    """Return the extension; Python-Markdown calls this."""
    return PlumblineExtension(*args, **kwargs)
