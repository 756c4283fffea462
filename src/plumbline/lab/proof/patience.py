"""How long a proof waits. Phases end by events; these are the limits after which an event will not come any more."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Time limits and sample counts of a proof. They are generous: a loaded machine must not fail a proof.

    Args:
        settle_s: For the healthy lab to serve all its clients, in seconds.
        begin_s: For a lab that has just started to show nothing red, in seconds.
        felt_s: For the workload to feel the fault, in seconds.
        stretch: Factor on the record's `detect_within_s` and `recover_within_s`, which hold for an idle machine.
        hold_s: How long red must last without a fix, and green with one, in seconds.
        hold_runs: Runs of the diagnostic in a row that must agree over that time.
        decoy_s: How long a decoy is watched, in seconds, as long as it is not known how long the fix took.
        decoy_factor: How long then: so many times as long as the fix took to turn green beside it, but at most
            `hold_s` more.
        step_s: For one step of the guide, in seconds.
        poll_s: Pause between two questions whether what is waited for has come, in seconds.
        look_s: From the begin of one run of the diagnostic to that of the next, at least, in seconds.
        window_s: Length of the window of the workload's measurements, in seconds.
    """

    settle_s: float = 90.0
    begin_s: float = 15.0
    felt_s: float = 60.0
    stretch: float = 4.0
    hold_s: float = 1.5
    hold_runs: int = 3
    decoy_s: float = 4.0
    decoy_factor: float = 1.5
    step_s: float = 60.0
    poll_s: float = 0.05
    look_s: float = 0.25
    window_s: float = 1.0
