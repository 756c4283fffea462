"""`find`: the search as one function, for the proof and for other packages (entry-point group `plumbline.search`)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from plumbline.catalogue import Catalogue

if TYPE_CHECKING:
    from plumbline_search.service import Service


def find(query: str, *, catalogue: Catalogue, limit: int = 10) -> list[dict[str, Any]]:
    """Return what answers a query, best first; nothing if there is no guide for it.

    It answers as the service does: hybrid if there is an index and a model, else lexically.

    Args:
        query: A question, an error line or a log.
        catalogue: What is searched.
        limit: Results at most.

    Raises:
        plumbline_search.queries.QueryError: The query is empty or too long.
    """
    answer = _service_for(catalogue).refresh().answer(query, limit=limit)
    results: list[dict[str, Any]] = answer.to_dict()["results"]
    return results


@lru_cache(maxsize=8)
def _service_for(catalogue: Catalogue) -> Service:
    """Keep one service for each catalogue: the model is loaded once."""
    from plumbline_search.service import Service

    return Service(catalogue)
