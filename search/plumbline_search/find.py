"""`find`: the search as one function, for the proof and for other packages (entry-point group `plumbline.search`)."""

from __future__ import annotations

from typing import Any

from plumbline.catalogue import Catalogue


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
    from plumbline_search.service import service_for

    answer = service_for(catalogue).refresh().answer(query, limit=limit)
    results: list[dict[str, Any]] = answer.to_dict()["results"]
    return results
