#!/usr/bin/env -S plumb run
"""Do deployers stand in each other's way?

A lease lets one deployer work on a model at a time. One that died with a long lease keeps all others away; where
nobody asks for the lease, two of them move an alias to and fro.
"""

from plumbline.deployment.evidence_contest import Contest
from plumbline.diagnosis import Finding, Measure, Threshold, critical, diagnostic, ok, warning

LONG = Threshold(60, "s", "twice the 30 s that plumb deploy takes; shorter ones end before anybody could help", "left")
MUTE = Threshold(
    0.5, "1", "holders renew each third of the term (pipeline/leasing.py); half is a renewal missed", "silent"
)
FOUGHT = Threshold(2, "{move}", "judgement: one move back is a rollback, two are a quarrel", "moves undone in an hour")
BLOCKED = "Nobody can deploy the model, nor roll it back, until the lease ends"
TAKE = "Make sure that the holder is gone, then: `plumb model lease MODEL --take-over --why TEXT`."


@diagnostic
def registry_conflict(contest: Contest) -> Finding:
    """Look at the lease, then at moves that somebody else undid."""
    left = Measure("left", contest.left_s, "s", LONG)
    silent = Measure("silent_share", contest.silent_s / contest.term_s if contest.term_s else 0.0, "1", MUTE)
    undone = Measure("undone", contest.undone, "{move}", FOUGHT)
    measures = (left, silent, undone, Measure("by_hand", contest.by_hand, "{move}"))
    text = f"{contest.holder or 'Nobody'} holds the lease"
    if contest.holder:
        text += f" for {left} more (limit {LONG}), and was silent for {silent} of its term (limit {MUTE})"
    if left.value >= LONG.value and (contest.lives is False or silent.value >= MUTE.value):
        hangs = contest.lives is True
        state = "its process lives, and renews nothing" if hangs else "its process is gone"
        if contest.lives is None:
            state = "nobody here knows its process"
        cause = "deployer-hangs" if hangs else "lease-left-behind"
        return critical(f"{text}: {state}.", *measures, cause=cause, impact=BLOCKED, next=TAKE)
    moved = (
        f"{undone} of '{contest.alias}' undone by somebody else (limit {FOUGHT})" if contest.alias else "no alias moved"
    )
    if undone.value >= FOUGHT.value:
        who = f": {' and '.join(contest.movers)}" if contest.movers else ""
        return warning(
            f"{text}; {moved}{who}.",
            *measures,
            cause="alias-fought-over",
            impact="What serves depends on who came last; each restart of a server may bring the other version",
            next="Stop one of them, then: `plumb model history MODEL`. Let both move it by plumb deploy only.",
        )
    watched = f" in {contest.watched_s:g} s (this registry has no history)" if contest.watched_s else ""
    return ok(f"{text}; {moved}{watched}.", *measures)
