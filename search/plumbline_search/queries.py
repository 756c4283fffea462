"""What may be asked: bounds on a query, each with one sentence for who breaks it."""

from __future__ import annotations

LONGEST_QUESTION = 1_000
"""Characters of a query in an address (GET)."""
LARGEST_LOG = 256 * 1024
"""Bytes of a query in a body (POST), or of a log file's part that is read."""
MOST_RESULTS = 50


class QueryError(ValueError):
    """A query that cannot be answered as it is.

    Args:
        status: HTTP status that fits.
        sentence: What is wrong, and what would help.
    """

    def __init__(self, status: int, sentence: str) -> None:
        self.status = status
        self.sentence = sentence
        super().__init__(sentence)


def checked(query: str, limit: int, *, log: bool) -> str:
    """Return the query without surrounding blanks and NULs.

    Args:
        query: A question, an error line or a log.
        limit: Results asked for.
        log: Whether it may be as long as a log.

    Raises:
        QueryError: It is empty or too long, or the limit is out of range.
    """
    if not 1 <= limit <= MOST_RESULTS:
        raise QueryError(422, f"limit is {limit}, but must be 1 to {MOST_RESULTS}")
    # JSON can carry half of a surrogate pair, which no later step can encode.
    text = query.replace("\0", " ").encode("utf-8", errors="replace").decode("utf-8").strip()
    if not any(char.isalnum() for char in text):
        raise QueryError(422, "the query is empty: say a symptom, an error message or a log line")
    if log and len(text.encode("utf-8")) > LARGEST_LOG:
        raise QueryError(413, f"the log is larger than {LARGEST_LOG // 1024} KiB: send the part around the first error")
    if not log and len(text) > LONGEST_QUESTION:
        raise QueryError(
            414,
            f"the query has {len(text)} characters, but {LONGEST_QUESTION} are allowed here: "
            "send a log by POST, or with --log",
        )
    return text
