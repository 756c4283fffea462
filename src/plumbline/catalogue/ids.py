"""Ids: `<area>.<slug>` is the path and the only name of a problem."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

AREAS = ("streaming", "deployment", "validation", "explainability", "search", "host")
_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True, order=True)
class ProblemId:
    """The id of a problem: its area and its slug, from which all four paths follow."""

    area: str
    slug: str

    @classmethod
    def parse(cls, text: str) -> ProblemId:
        """Read `streaming.slow-consumer`.

        Raises:
            ValueError: The text is no id, or its area is none of `AREAS`.
        """
        area, dot, slug = text.partition(".")
        if not dot or not _SLUG.fullmatch(slug):
            raise ValueError(f"'{text}' is no id: an id is <area>.<slug>, in lower case with hyphens")
        if area not in AREAS:
            raise ValueError(f"'{text}' has the area '{area}': the areas are {', '.join(AREAS)}")
        return cls(area, slug)

    def __str__(self) -> str:
        return f"{self.area}.{self.slug}"

    @property
    def guide(self) -> PurePosixPath:
        """Path of the guide, in the catalogue."""
        return PurePosixPath("docs/troubleshooting", self.area, f"{self.slug}.md")

    @property
    def diagnostic(self) -> PurePosixPath:
        """Path of the diagnostic, in the catalogue."""
        return PurePosixPath("diagnostics", self.area, f"{self.slug.replace('-', '_')}.py")

    @property
    def record(self) -> PurePosixPath:
        """Path of the problem record, in the catalogue."""
        return PurePosixPath("kb", self.area, self.slug, "problem.yml")

    @property
    def fault(self) -> PurePosixPath:
        """Path of the fault, in the catalogue (in a checkout only)."""
        return PurePosixPath("kb", self.area, self.slug, "fault.py")

    @property
    def proof(self) -> PurePosixPath:
        """Path of the recorded proof, in the catalogue."""
        return PurePosixPath("docs/proof", self.area, f"{self.slug}.json")

    @property
    def url(self) -> str:
        """Path of the guide's page on the site."""
        return f"/troubleshooting/{self.area}/{self.slug}/"
