"""Names of the generated pages, below `docs/reference/generated/`; the check takes links to them for good."""

from __future__ import annotations

NAMES = ("cli.md", "diagnostics.md", "evidence.md", "http.md", "matrix.md", "problems.md", "proofs.md")
