"""What the tools take: closed schemas, so that nothing but ids, names and a query can be said."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

LONGEST_QUERY = 64 * 1024
"""Characters of a query; a pasted log is the longest."""
MOST_RESULTS = 20

Id = Annotated[str, Field(max_length=80)]


class Wish(BaseModel):
    """Arguments of a tool; an unknown one is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Nothing(Wish):
    """A tool without arguments."""


class SearchWish(Wish):
    """What `search_handbook` takes."""

    query: str = Field(
        max_length=LONGEST_QUERY, description="A symptom in words, an error message, a stack trace or lines of a log."
    )
    limit: int = Field(5, ge=1, le=MOST_RESULTS, description="Results at most.")


class IdWish(Wish):
    """What `read_guide` and `explain_diagnostic` take."""

    id: str = Field(max_length=200, description="An id, <area>.<slug>: streaming.slow-consumer.")


class RunWish(Wish):
    """What `run_diagnostic` takes: ids of the catalogue and the name of a target, nothing free-form."""

    ids: list[Id] = Field(
        default_factory=list, max_length=200, description="Ids of diagnostics (list_diagnostics); empty runs all."
    )
    target: str = Field(
        "lab",
        max_length=80,
        description="Name of a target in the user's plumbline.toml (list_diagnostics gives them), or 'lab'. "
        "No host, address, path or pid.",
    )
