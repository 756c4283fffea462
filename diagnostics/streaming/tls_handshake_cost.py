#!/usr/bin/env -S plumb run
"""Do TLS handshakes take the processor time that messages need?

A full handshake is one signature of the server. With an RSA key of 4096 bits it costs some hundred times as much as
with ECDSA P-256, and in an event loop nobody else is served meanwhile.
"""

from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, warning
from plumbline.streaming.evidence_tls import TlsHandshakes, TlsLoad

BUSY = Threshold(
    0.3, "1", "judgement: a third of the time for greetings is too much", name="share of time in handshakes"
)
DEAR_BITS = Threshold(3072, "bit", "NIST SP 800-57: RSA as strong as ECDSA P-256", name="RSA key that is dear")
SELDOM = Threshold(0.1, "1", "judgement: who comes back within a day could resume", name="share of resumed handshakes")

IMPACT = "When clients come back all at once, messages of those who are connected wait behind their handshakes."
CURES = {
    "dear-key": "Renew the certificate with an ECDSA P-256 key; the gateway takes it without dropping anybody.",
    "no-resumption": "Let clients resume sessions: tickets on, with one key for all servers behind the address.",
    "handshake-rate": "Each handshake is cheap: there are too many. See why clients connect so often.",
}


@diagnostic(timeout_s=40)
def tls_handshake_cost(seen: TlsHandshakes | None, load: TlsLoad | None) -> Finding:
    """Judge by the time that the server spends in handshakes, and by what one of them costs."""
    busy = load is not None and load.busy_ratio >= BUSY.value
    dear = seen is not None and seen.key_type == "RSA" and seen.key_bits >= DEAR_BITS.value
    told = [of_load(load)] if load else []
    told += [of_probe(seen, busy=busy)] if seen else []
    text = f"{'; '.join(words for words, _ in told)}."
    text = text[0].upper() + text[1:]
    numbers = [measure for _, measures in told for measure in measures]
    if load is not None and busy:
        again = load.resumed >= SELDOM.value * (load.full + load.resumed)
        cause = "dear-key" if dear else "handshake-rate" if again else "no-resumption"
        return critical(text, *numbers, cause=cause, impact=IMPACT, next=CURES[cause])
    if seen is not None and seen.key_type == "RSA" and (dear or seen.resumed_s is None):
        cause = "dear-key" if dear else "no-resumption"
        return warning(text, *numbers, cause=cause, impact=IMPACT, next=CURES[cause])
    return ok(text, *numbers)


def of_load(load: TlsLoad) -> tuple[str, list[Measure]]:
    """Say what the server counted."""
    share = Measure("busy_ratio", load.busy_ratio, "1", BUSY)
    rate = Measure("full_rate", round(load.full / load.window_s, 1), "1/s")
    many = f"{rate.value:g} a second in full, {load.resumed} resumed in {load.window_s:.1f} s"
    return f"Handshakes take {share} of the time (limit {BUSY}): {many}", [share, rate]


def of_probe(seen: TlsHandshakes, *, busy: bool) -> tuple[str, list[Measure]]:
    """Say what our own handshakes showed; how long they took says nothing of their cost while the server is busy."""
    words, numbers = [f"the key is {seen.key_type} with {seen.key_bits} bits"], [Measure("key", seen.key_bits, "bit")]
    if seen.resumed_s and not busy:
        ratio = Measure("full_to_resumed", seen.full_s / seen.resumed_s, "1")
        numbers += [ratio, Measure("cost", seen.cost, "1")]
        words.append(f"a full handshake takes {seen.cost:.0f} local ECDSA signatures longer than a resumed one")
    elif seen.resumed_s is None:
        words.append("no session was resumed")
    if seen.refused_because:
        words.append(f"besides, clients refuse the certificate ({seen.refused_because}), which is another problem")
    return "; ".join(words), numbers
