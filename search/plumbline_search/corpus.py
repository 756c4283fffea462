"""What is searched: pages, their headings, and the log signatures that problem records declare."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

PageKind = Literal["guide", "diagnostic", "problem", "page"]

SCHEMA = 2
"""Version of the stored records; another one makes an index unreadable, and it is built anew."""


@dataclass(frozen=True, slots=True)
class Section:
    """What stands under one heading.

    Args:
        heading: The heading's text; the page's title for what stands above the first heading.
        anchor: Fragment of the heading on the site, without `#`; empty for the top of the page.
        breadcrumb: Headings that lead to it, the page's title first, itself excluded.
        text: Plain text, without Markdown.
        source: What it was made of: a guide's section, a problem record, a diagnostic's docstring, another page.
        sentences: Sentences that are each embedded alone, because a query is like one of them and not like all of them
            together: a record's symptoms. They are part of `text`.
    """

    heading: str
    anchor: str
    breadcrumb: tuple[str, ...]
    text: str
    source: PageKind
    sentences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Signature:
    """A log line that means one problem: a regular expression searched in each line."""

    pattern: str
    example: str


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the site with all that is known about it.

    Args:
        id: The problem's id (`streaming.slow-consumer`), or the page's path without `.md`.
        kind: What the page is.
        title: Its title.
        url: Its path on the site, with slashes at both ends.
        sections: In page order; at least one.
        diagnostic: Id of the diagnostic to run, if there is one.
        proven_at: When the guide was last proven, ISO 8601; None if it is not.
        signatures: Log lines that mean this problem.
    """

    id: str
    kind: PageKind
    title: str
    url: str
    sections: tuple[Section, ...]
    diagnostic: str | None = None
    proven_at: str | None = None
    signatures: tuple[Signature, ...] = ()


@dataclass(frozen=True, slots=True)
class Corpus:
    """All pages, in the order of their ids."""

    pages: tuple[Page, ...]

    @classmethod
    def of(cls, pages: Iterable[Page]) -> Corpus:
        """Sort the pages by id, so that equal content makes an equal corpus."""
        return cls(tuple(sorted(pages, key=lambda page: page.id)))

    def sections(self) -> list[tuple[int, Section]]:
        """Return every section with the number of its page."""
        return [(number, section) for number, page in enumerate(self.pages) for section in page.sections]

    def to_json(self) -> str:
        """Write the corpus, one text for equal content."""
        return json.dumps(
            [asdict(page) for page in self.pages], ensure_ascii=False, sort_keys=True, separators=(",", ":")
        )

    @classmethod
    def from_json(cls, text: str) -> Corpus:
        """Read what `to_json` wrote.

        Raises:
            ValueError: The text is not such a corpus.
        """
        try:
            return cls(tuple(_page(item) for item in json.loads(text)))
        except (KeyError, TypeError) as error:
            raise ValueError(f"the stored pages cannot be read ({error})") from None

    @property
    def digest(self) -> str:
        """SHA-256 of the content, hexadecimal."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def _page(item: dict[str, Any]) -> Page:
    sections = tuple(
        Section(**{**one, "breadcrumb": tuple(one["breadcrumb"]), "sentences": tuple(one["sentences"])})
        for one in item["sections"]
    )
    signatures = tuple(Signature(**signature) for signature in item["signatures"])
    return Page(**{**item, "sections": sections, "signatures": signatures})
