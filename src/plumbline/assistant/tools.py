"""The tools: what each is called, says about itself, takes, answers and does. All of them only read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import anyio.to_thread
from pydantic import BaseModel

from plumbline.assistant import answers, wishes
from plumbline.assistant.diagnostics import explained, listed
from plumbline.assistant.finding import found
from plumbline.assistant.guides import read
from plumbline.assistant.runs import Progress, Runs
from plumbline.catalogue import Catalogue
from plumbline.handbook import Handbook, load


@dataclass(frozen=True, slots=True)
class Desk:
    """What the tools work with.

    Args:
        catalogue: The handbook's files; they are read at each call, so that an edit shows at once.
        runs: Runs diagnostics.
    """

    catalogue: Catalogue
    runs: Runs

    async def handbook(self) -> Handbook:
        """Read the handbook.

        Raises:
            HandbookError: It has faults.
            CatalogueError: It has no guide.
        """
        return await anyio.to_thread.run_sync(load, self.catalogue)

    async def search(self, wish: wishes.SearchWish, _: Progress) -> answers.Hits:
        """Do `search_handbook`."""
        return await anyio.to_thread.run_sync(found, self.catalogue, wish.query, wish.limit)

    async def read(self, wish: wishes.IdWish, _: Progress) -> answers.GuideText:
        """Do `read_guide`."""
        return read(await self.handbook(), wish.id)

    async def diagnostics(self, _wish: wishes.Nothing, _: Progress) -> answers.Diagnostics:
        """Do `list_diagnostics`."""
        return await anyio.to_thread.run_sync(listed, await self.handbook())

    async def explain(self, wish: wishes.IdWish, _: Progress) -> answers.Explanation:
        """Do `explain_diagnostic`."""
        return await anyio.to_thread.run_sync(explained, await self.handbook(), wish.id)

    async def run(self, wish: wishes.RunWish, progress: Progress) -> answers.ReportText:
        """Do `run_diagnostic`."""
        report = await self.runs.run(wish.ids, wish.target, progress)
        return answers.ReportText.model_validate(report.to_json())


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool.

    Args:
        name: As assistants call it.
        title: For people.
        description: For assistants.
        wish: Its arguments.
        answer: Its answer.
        call: Does it.
        open_world: Whether it may read what the user named outside of the handbook.
    """

    name: str
    title: str
    description: str
    wish: type[wishes.Wish]
    answer: type[BaseModel]
    call: Callable[[Desk, Any, Progress], Awaitable[BaseModel]]
    open_world: bool = False


TOOLS = (
    Tool(
        "search_handbook",
        "Search the handbook",
        "Find the guide for a symptom, an error message, a stack trace or lines of a log. Give the user's own words or "
        "the log verbatim. Each result names the guide to read and the diagnostic that would check it.",
        wishes.SearchWish,
        answers.Hits,
        Desk.search,
    ),
    Tool(
        "read_guide",
        "Read a guide",
        "Return a troubleshooting guide as Markdown: symptom, causes and how to tell them apart, fixes with their risk "
        "and undo, how to verify, what does not help.",
        wishes.IdWish,
        answers.GuideText,
        Desk.read,
    ),
    Tool(
        "list_diagnostics",
        "List diagnostics",
        "Return all diagnostics with the question that each answers, and the names of the targets that "
        "run_diagnostic takes.",
        wishes.Nothing,
        answers.Diagnostics,
        Desk.diagnostics,
    ),
    Tool(
        "run_diagnostic",
        "Run diagnostics",
        "Check a platform and return the findings with their numbers, limits, causes and next steps. It only reads, in "
        "confined processes. 'unknown' means that nothing could be told; it never means ok.",
        wishes.RunWish,
        answers.ReportText,
        Desk.run,
        open_world=True,
    ),
    Tool(
        "explain_diagnostic",
        "Explain a diagnostic",
        "Say what a diagnostic asks and reads, which limits it holds the numbers against and where those come from, "
        "and which causes it tells apart. Nothing is run.",
        wishes.IdWish,
        answers.Explanation,
        Desk.explain,
    ),
)
BY_NAME = {tool.name: tool for tool in TOOLS}
