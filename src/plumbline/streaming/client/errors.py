"""What the client raises; each is one sentence."""

from __future__ import annotations


class ClientError(Exception):
    """The client could not do what was asked; the message is one sentence for people."""


class RefusedError(ClientError):
    """The gateway answered with an error.

    Args:
        code: Its stable word, one of the reference page's table.
        message: Its sentence.
        retry_after_s: When it said to ask again, in seconds; None if it did not.
    """

    def __init__(self, code: str, message: str, retry_after_s: float | None = None) -> None:
        self.code = code
        self.retry_after_s = retry_after_s
        super().__init__(f"{message} ({code})")


class NoAnswerError(ClientError):
    """No answer came in time; whether the request was carried out is not known.

    Args:
        verb: What was asked for.
        timeout_s: For how long, in seconds.
        hint: What to do.
    """

    def __init__(self, verb: str, timeout_s: float, hint: str = "") -> None:
        self.verb = verb
        super().__init__(f"{verb} was not answered within {timeout_s:g} s{hint}")


class GoneError(ClientError):
    """There is no connection, and there will be none: the gateway said not to come back, or the client was closed.

    Args:
        message: Why.
        code: Close code or HTTP status; None if there was neither.
    """

    def __init__(self, message: str, code: int | None = None) -> None:
        self.code = code
        super().__init__(message)


class FullError(ClientError):
    """No more channels fit on the sockets that the client may open."""
