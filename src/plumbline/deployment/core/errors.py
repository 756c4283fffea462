"""What can be refused: each error has a reason for machines and a sentence for people."""

from __future__ import annotations

from typing import Any, ClassVar


class DeploymentError(Exception):
    """Something was refused or failed; nothing was changed by it.

    Args:
        sentence: Where, what, and what to do about it.
        data: The facts of the sentence, by name, for machines.
    """

    reason: ClassVar[str] = "failed"
    status: ClassVar[int] = 500
    """What HTTP says to it."""

    def __init__(self, sentence: str, **data: Any) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.data = data

    def as_dict(self) -> dict[str, Any]:
        """Return what an HTTP body carries: `reason`, `error` and the facts."""
        return {"reason": self.reason, "error": self.sentence, **self.data}


class NotFoundError(DeploymentError):
    """A model, version, alias or file that does not exist."""

    reason = "not_found"
    status = 404


class InvalidError(DeploymentError):
    """Input that does not say what it should."""

    reason = "invalid"
    status = 422


class ConflictError(DeploymentError):
    """Somebody else was first: a compare-and-set found another value, or a lease is held."""

    reason = "conflict"
    status = 409


class FencedError(ConflictError):
    """A command with an older epoch than one already seen: its sender has been replaced."""

    reason = "fenced"


class CorruptError(DeploymentError):
    """Bytes that are not those their digest names."""

    reason = "corrupt"
    status = 500


class UntrustedError(DeploymentError):
    """A file that would run code, or whose signature does not verify."""

    reason = "untrusted"
    status = 422


class UnavailableError(DeploymentError):
    """A database, server or disk that cannot be used now; trying later may help."""

    reason = "unavailable"
    status = 503


class FullError(UnavailableError):
    """No room: a disk, or a bounded queue."""

    reason = "full"
