"""Ship kb/ without its faults: what breaks things is not installed on a production machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CatalogueHook(BuildHookInterface):  # type: ignore[type-arg]  # hatchling's generic parameter is internal
    """Add the problem records to the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Map each file of kb/ into the package's catalogue, faults excepted."""
        if version == "editable":
            return
        root = Path(self.root)
        for path in sorted((root / "kb").rglob("*.yml")):
            build_data["force_include"][str(path)] = f"plumbline/_catalogue/{path.relative_to(root)}"
