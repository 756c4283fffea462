"""Why connections end: one table of codes, a ledger of the last closes, and a count per reason.

Private codes follow a rule that a client can apply without knowing the code: 4000 to 4499 come back (with jitter),
4500 to 4999 do not.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import Any

LEDGER_LENGTH = 200


@dataclass(frozen=True, slots=True)
class CloseCode:
    """One way for a connection to end.

    Args:
        code: The WebSocket close code.
        label: Value of the metric's `reason` label; stable.
        come_back: Whether a client should connect again, and how.
        meaning: What happened, for people.
    """

    code: int
    label: str
    come_back: str
    meaning: str


_AT_ONCE = "yes, after a short random delay"
_FRESH = "yes, with a fresh token"
_NO = "no: the client must be corrected"

CODES = {
    item.code: item
    for item in (
        CloseCode(1000, "normal", "as the client likes", "The client closed."),
        CloseCode(1001, "going-away", "as the client likes", "The client went away: a page was left, a process ended."),
        CloseCode(1002, "protocol-error", _NO, "The client sent a frame that RFC 6455 forbids."),
        CloseCode(1003, "unsupported-data", _NO, "The client sent a binary message; the protocol is JSON text."),
        CloseCode(1005, "no-code", "as the client likes", "The client closed and gave no code."),
        CloseCode(
            1006,
            "lost",
            _AT_ONCE,
            "The connection ended without a closing handshake: the client crashed, or something on the way cut it. "
            "Never sent, only recorded.",
        ),
        CloseCode(1007, "invalid-utf8", _NO, "The client sent text that is not UTF-8."),
        CloseCode(1009, "message-too-big", _NO, "The client sent more than `max_message_bytes` in one message."),
        CloseCode(1011, "internal-error", _AT_ONCE, "The gateway met an error of its own; its log has it."),
        CloseCode(1012, "service-restart", _AT_ONCE, "The gateway was told to stop (SIGTERM)."),
        CloseCode(4001, "token-expired", _FRESH, "The token's time is over, and no fresh one came with `auth`."),
        CloseCode(4002, "auth-timeout", _FRESH, "No token came within `auth_timeout_s`."),
        CloseCode(
            4008,
            "slow-consumer",
            _AT_ONCE,
            "The client read more slowly than its channels speak: its queue was full and `overflow` is `disconnect`.",
        ),
        CloseCode(4009, "write-timeout", _AT_ONCE, "The client took no byte for `write_timeout_s` while data waited."),
        CloseCode(
            4010, "heartbeat-timeout", _AT_ONCE, "The client sent nothing for `heartbeat_timeout_s` after a ping."
        ),
        CloseCode(4011, "lifetime", _AT_ONCE, "The connection reached `max_connection_age_s`; it was told so before."),
        CloseCode(4012, "balance", _AT_ONCE, "Another worker has more room; the client was told so before."),
        CloseCode(
            4013,
            "message-timeout",
            _AT_ONCE,
            "A message that the client began was not whole after `message_timeout_s`.",
        ),
        CloseCode(
            4014,
            "region-gone",
            "yes, to another region's address if there is one; else after a random delay",
            "The gateway has been without its cluster for `region_patience_s`, or another region has taken its place; "
            "only with `--peer`.",
        ),
        CloseCode(
            4029,
            "rate-limited",
            "yes, after 10 s or more, and more slowly",
            "The client went on beyond its rates after `max_refusals` refusals.",
        ),
        CloseCode(4501, "bad-token", "no: another token is needed", "The token was refused; the reason says why."),
    )
}
NORMAL, GOING_AWAY, PROTOCOL_ERROR, UNSUPPORTED, NO_CODE, LOST = 1000, 1001, 1002, 1003, 1005, 1006
INVALID_UTF8, TOO_BIG, INTERNAL_ERROR, SERVICE_RESTART = 1007, 1009, 1011, 1012
SLOW_CONSUMER, WRITE_TIMEOUT, HEARTBEAT_TIMEOUT, LIFETIME, BALANCE = 4008, 4009, 4010, 4011, 4012
MESSAGE_TIMEOUT, REGION_GONE = 4013, 4014
TOKEN_EXPIRED, AUTH_TIMEOUT, RATE_LIMITED, BAD_TOKEN = 4001, 4002, 4029, 4501


class CloseError(Exception):
    """The connection must be closed.

    Args:
        code: One of `CODES`.
        sentence: Why; sent to the client as the close reason (at most 123 bytes).
        size_bytes: Size of the message that was refused, as far as it is known: its frame's announced length, or what
            its fragments have come to.
    """

    def __init__(self, code: int, sentence: str, size_bytes: int | None = None) -> None:
        self.code = code
        self.sentence = sentence
        self.size_bytes = size_bytes
        super().__init__(sentence)


def label(code: int) -> str:
    """Return the metric label of a close code; codes that clients invent share one label."""
    known = CODES.get(code)
    return known.label if known else "other"


def closes_table() -> str:
    """Return the reference table of close codes as Markdown; the documentation page carries it verbatim."""
    rows = ["| Code | Reason | Come back? | What happened |", "|---|---|---|---|"]
    rows += [f"| {item.code} | `{item.label}` | {item.come_back} | {item.meaning} |" for item in CODES.values()]
    return "\n".join(rows) + "\n"


@dataclass(frozen=True, slots=True)
class Ended:
    """One connection's end, as the ledger keeps it.

    Args:
        code: Close code, 1006 if there was none.
        reason: Its label, or what the client said.
        by: `server`, `peer`, or `network` when no close frame was seen.
        idle_s: Seconds since the last byte in either direction.
        age_s: Seconds since the connection was accepted.
        clean: Both sides said goodbye.
        at: Clock time of the close, in seconds.
        peer: The client's IP address.
        size_bytes: Size of the message that was refused, if that is why.
    """

    code: int
    reason: str
    by: str
    idle_s: float
    age_s: float
    clean: bool
    at: float
    peer: str = ""
    size_bytes: int | None = None

    def told(self) -> dict[str, Any]:
        """Return what the log says of it."""
        said = {"code": self.code, "reason": self.reason, "by": self.by, "clean": str(self.clean).lower()}
        return said | {"idle_s": self.idle_s, "age_s": self.age_s}


class Ledger:
    """The last closes and how many there were of each reason."""

    def __init__(self, length: int = LEDGER_LENGTH) -> None:
        self._recent: deque[Ended] = deque(maxlen=length)
        self.counts: Counter[str] = Counter()

    def add(self, ended: Ended) -> None:
        """Record one close."""
        self._recent.append(ended)
        self.counts[label(ended.code)] += 1

    def recent(self, now: float) -> list[dict[str, Any]]:
        """Return the recorded closes, newest first, with their age `ago_s` in seconds."""
        return [
            {
                "code": item.code,
                "reason": item.reason,
                "by": item.by,
                "idle_s": round(item.idle_s, 3),
                "age_s": round(item.age_s, 3),
                "clean": item.clean,
                "ago_s": round(max(0.0, now - item.at), 3),
                "peer": item.peer,
                "size_bytes": item.size_bytes,
            }
            for item in reversed(self._recent)
        ]
