"""Search through whatever is installed for it (entry-point group `plumbline.search`)."""

from __future__ import annotations

from importlib.metadata import entry_points

from plumbline.assistant.answers import Hit, Hits
from plumbline.assistant.refusals import RefusedError
from plumbline.catalogue import Catalogue

GROUP = "plumbline.search"
_NO_GUIDE = (
    "There is no guide for this. Ask the user for the component's name, the exact error line or what changed last, "
    "and search again; do not present another guide as the answer."
)


def found(catalogue: Catalogue, query: str, limit: int) -> Hits:
    """Search the handbook.

    Raises:
        RefusedError: No search is installed, the query cannot be answered, or the search fails.
    """
    points = entry_points(group=GROUP, name="find")
    if not points:
        raise RefusedError("no search is installed: pip install 'plumbline[search]'")
    try:
        results = next(iter(points)).load()(query, catalogue=catalogue, limit=limit)
    except ImportError as error:
        raise RefusedError(
            f"the search needs what is not installed ({error}): pip install 'plumbline[search]'"
        ) from None
    except ValueError as error:  # its word for a query that cannot be answered
        raise RefusedError(str(error)) from None
    except Exception as error:  # another package's: it may fail in its own ways, and says why
        raise RefusedError(f"the search does not answer ({type(error).__name__}: {error})") from error
    hits = [Hit.model_validate(one) for one in results]
    return Hits(query=query, results=hits, note=None if hits else _NO_GUIDE)
