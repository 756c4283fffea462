#!/usr/bin/env -S plumb run
"""Are new connections dropped because the listener's accept queue is full?

The kernel completes handshakes by itself and queues them until the server calls accept(). A full queue drops packets
without a word, and the client tries again a second later. Drops are read per listener: `netstat -s` has only a sum.
Where the server's kernel cannot be asked, connections of our own show whether their first packets had to be repeated.
"""

import statistics

from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, unknown, warning
from plumbline.host.listeners import Listener, ListenQueues
from plumbline.streaming.evidence_handshakes import Attempt, Handshakes

ANY_DROP = Threshold(
    1, "{connection}", "RFC 6298: each drop costs its client the first retransmission timeout, 1 s", "dropped"
)
NEARLY_FULL = Threshold(0.8, "1", "judgement: the next burst overflows it", "most that waited, share of the backlog")
AMPLE = Threshold(4096, "{connection}", "default of net.core.somaxconn since Linux 5.4", "backlog that is not small")
REPEATED = Threshold(
    0.9,
    "s",
    "RFC 6298: what is not answered is sent again after 1 s; a tenth for timers",
    "wait of a packet sent again",
)
SIGNS = Threshold(
    2, "{connection}", "judgement: one may be a lost packet; RFC 6298: each waits 1 s", "of ours that had to repeat"
)

IMPACT = "Clients take whole seconds to connect, or time out; the server logs nothing, and who is connected is well."
CURES = {
    "accept-loop-stuck": "The queue never empties: find what keeps the server from accept(): EMFILE, a busy loop.",
    "other-drops": "Not the accept queue: see nstat for TCPReqQFullDrop (a SYN flood) and the memory counters.",
    "somaxconn-caps-backlog": "Raise net.core.somaxconn, then make the server call listen() again (reload or restart).",
    "backlog-argument-too-small": "Raise the backlog given to listen(), and somaxconn if that is lower.",
    "seen-from-outside": "See nstat -az TcpExtListenOverflows on the server; if it stands still, packets are lost.",
}
REFUSALS = {
    401: "it wants a token: name the variable that holds it (token_env)",
    403: "it does not let this client in: see the token (token_env), and who may connect",
    429: "a limit of its own for clients that come too often; ask again later, or from an address that is let through",
    503: "a limit of its own, or it drains: see the server's log and its limit of connections",
}


@diagnostic(timeout_s=15)
def listen_backlog_overflow(queues: ListenQueues | None, handshakes: Handshakes | None) -> Finding:
    """Hold each listener's drops against zero, its fullest moment against its backlog; else look from outside."""
    if queues and queues.listeners:
        return _counted(queues)
    if handshakes and handshakes.attempts:
        return _seen(handshakes.attempts)
    return unknown("Nothing listens on TCP here.")


def _counted(queues: ListenQueues) -> Finding:
    worst = max(queues.listeners, key=_badness)
    fill = Measure("fill_ratio", worst.waiting / max(worst.backlog, 1), "1", NEARLY_FULL)
    dropped = Measure("dropped", worst.dropped, "{connection}", ANY_DROP)
    numbers = (
        dropped,
        fill,
        Measure("backlog", worst.backlog, "{connection}"),
        Measure("somaxconn", queues.somaxconn, "{connection}"),
    )
    waited = f"at most {worst.waiting} were seen waiting, with room for {worst.backlog}"
    text = f"Port {worst.port} dropped {dropped} in {queues.window_s:g} s; {waited} ({fill}; limit {NEARLY_FULL})."
    cause = _cause(worst, queues)
    if worst.dropped >= ANY_DROP.value:
        return critical(text, *numbers, cause=cause, impact=IMPACT, next=CURES[cause])
    if fill.value >= NEARLY_FULL.value:
        return warning(text, *numbers, cause=cause, impact=IMPACT, next=CURES[cause])
    return ok(text, *numbers)


def _badness(one: Listener) -> tuple[int, float]:
    return one.dropped, one.waiting / max(one.backlog, 1)


def _cause(one: Listener, queues: ListenQueues) -> str:
    if one.dropped and not queues.overflows:
        return "other-drops"
    if one.least_waiting >= NEARLY_FULL.value * max(one.backlog, 1) or one.backlog >= AMPLE.value:
        return "accept-loop-stuck"
    return "somaxconn-caps-backlog" if one.backlog >= queues.somaxconn else "backlog-argument-too-small"


def _seen(attempts: tuple[Attempt, ...]) -> Finding:
    """Judge connections of our own: what was repeated first, then what kept them from telling anything."""
    reached = [one for one in attempts if one.reached]
    if not reached:
        return unknown(_unreached(attempts))
    signs = Measure("repeated", sum(map(_repeated, attempts)), "{connection}", SIGNS)
    half = Measure("connect", statistics.median(one.connect_s for one in reached), "s")
    slowest = Measure("slowest_connect", max(one.connect_s for one in attempts), "s", REPEATED)
    answered = [one.answer_s for one in reached if one.outcome == "ok" and one.answer_s is not None]
    answer = Measure("answer", statistics.median(answered), "s") if answered else None
    numbers = (signs, half, slowest, *([answer] if answer else []))
    text = f"Of {len(attempts)} connections of our own {signs.value:g} had to send a packet again (limit {SIGNS}); half"
    text += f" stood after {half}, the slowest took {slowest} (limit {REPEATED})"
    if signs.value >= SIGNS.value:
        cause = "seen-from-outside"
        return warning(f"{text}.", *numbers, cause=cause, impact=IMPACT, next=CURES[cause])
    hindered = _hindered(attempts)
    if hindered:
        return unknown(f"{hindered}. {text}.", *numbers)
    if signs.value:
        return unknown(f"{text}: a lost packet, or a short burst; ask again.", *numbers)
    if answer and answer.value >= REPEATED.value:
        late = f"the handshake's answer took {answer} more, half of all: not for lost packets"
        return unknown(f"{text}; {late}; see streaming.event-loop-blocked.", *numbers)
    return ok(f"{text}; the handshake's answer took {answer} more, half of all.", *numbers)


def _repeated(one: Attempt) -> bool:
    """Tell whether a connection waited because a packet was sent again: else the server, or this program, was late."""
    if one.outcome == "silent":
        return one.connect_s >= REPEATED.value
    if one.connect_s >= REPEATED.value:
        return one.reached and one.resent != 0
    return one.answer_s is not None and one.answer_s >= REPEATED.value and bool(one.resent)


def _unreached(attempts: tuple[Attempt, ...]) -> str:
    """Say why no connection came about: a queue that is full without end looks like a host that is not there."""
    kinds = {one.outcome for one in attempts}
    if kinds == {"refused"}:
        return "The connection is refused: nothing listens there, or a firewall says so. A full queue does not refuse."
    if "silent" in kinds:
        longest = max(one.connect_s for one in attempts)
        text = (
            f"Nothing came back within {longest:.1f} s: the host is down, a firewall drops packets, or the accept queue"
        )
        return f"{text} is full without end; ask on the server, by its pid."
    return "The server cannot be reached: the network says there is no way there."


def _hindered(attempts: tuple[Attempt, ...]) -> str:
    """Say what kept handshakes from being completed; empty if all were."""
    status = next((one for one in attempts if one.outcome == "status"), None)
    if status:
        why = REFUSALS.get(status.status or 0, "see whether the address and its path are those of a WebSocket")
        later = f" (Retry-After: {status.retry_after})" if status.retry_after else ""
        return f"The handshake is answered with HTTP {status.status}{later}: {why}"
    number = {kind: sum(one.outcome == kind for one in attempts) for kind in ("refused", "unanswered", "broken")}
    if number["refused"]:
        return (
            f"{number['refused']} of {len(attempts)} connections were refused: a server that stops, or one of several"
        )
    if number["unanswered"]:
        text = f"{number['unanswered']} of {len(attempts)} connections stood, and got no answer to the handshake"
        return f"{text}: nobody accepts them, the server's loop is blocked, or it speaks something else"
    return f"{number['broken']} of {len(attempts)} handshakes were cut, or were none" if number["broken"] else ""
