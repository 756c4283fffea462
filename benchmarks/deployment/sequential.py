"""How often the rules that may be looked at all the time are wrong, and how soon they are right; simulated, seeded.

    python benchmarks/deployment/sequential.py [--quick]

A/A tests: both arms convert 10 % of their users; after each further 100 users per arm somebody looks, 200 times. A test
errs if it ever decides. The A/B test's rule is `statistics.sequences.difference`, beside it a z-test at the same level.
Watch: requests are split in halves; the version that serves answers 1 % with an error. The new one answers 5 % with
one: after how many requests does the guard on errors say so? Or it answers as well as the old: how often does the whole
watch (errors, missing outputs, drift of the scores; the defaults) roll it back all the same, looked at 40 times in
4,000 requests per arm? Bounds: 1,000 repetitions of each, 200 looks, less than a minute.
"""

import time
from typing import Any

import common
import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, norm

from plumbline.deployment.core.verdicts import Outcome
from plumbline.deployment.pipeline import watching
from plumbline.deployment.pipeline.parts import Watch
from plumbline.deployment.pipeline.ports import Reading
from plumbline.deployment.statistics.ratio import Ratio, threshold
from plumbline.deployment.statistics.sequences import Arm, difference

LOOKS, EVERY, RATE, ALPHA = 200, 100, 0.1, 0.05
ERRORS, WORSE, PER_ARM, WATCH_LOOKS = 0.01, 0.05, 4_000, 40
BOUNDS = (0.2, 0.4, 0.6, 0.8, 1.0)
MISSING = 0.005


def share(hits: int, of: int) -> dict[str, Any]:
    """Return a share with its exact interval of 95 % (Clopper and Pearson)."""
    low = 0.0 if hits == 0 else float(beta.ppf(0.025, hits, of - hits + 1))
    high = 1.0 if hits == of else float(beta.ppf(0.975, hits + 1, of - hits))
    return {"share": round(hits / of, 5), "of": of, "low": round(low, 5), "high": round(high, 5)}


def a_a(rng: np.random.Generator, tests: int, looks: int) -> dict[str, Any]:
    """Return how many tests of equal arms are ever decided, by the sequential rule and by a z-test."""
    hits = rng.binomial(EVERY, RATE, (tests, 2, looks)).cumsum(axis=-1)
    users = EVERY * np.arange(1, looks + 1)
    rates = hits / users
    error = np.sqrt((rates * (1 - rates)).sum(axis=1) / users)
    z = np.abs(rates[:, 1] - rates[:, 0]) / np.where(error > 0, error, np.inf)
    school = (z > norm.ppf(1 - ALPHA / 2)).any(axis=-1)
    planned = 2 * int(users[-1])

    def decides(arms: NDArray[np.int64]) -> bool:
        for at, n in enumerate(users):
            one, other = (Arm.of_shares(int(arm[at]), int(n)) for arm in arms)
            found = difference(one, other, ALPHA, planned)
            if found is not None and found.decided:
                return True
        return False

    ours = [decides(arms) for arms in hits]
    return {
        "level": ALPHA,
        "tests": tests,
        "looks": looks,
        "users_per_arm": int(users[-1]),
        "sequential": share(sum(ours), tests),
        "z_test": share(int(school.sum()), tests),
    }


def level() -> float:
    """Return what the guard on errors may err, beside the other guards of a watch with one stage."""
    return Watch().alpha * watching.ERRORS_WEIGHT


def caught(rng: np.random.Generator, repeats: int) -> dict[str, Any]:
    """Return after how many requests per arm the guard on errors decides."""
    test, limit, needed = Ratio(), threshold(level()), []
    requests = 2 * PER_ARM
    for _ in range(repeats):
        new = rng.random(requests) < 0.5
        events = np.flatnonzero(rng.random(requests) < np.where(new, WORSE, ERRORS))
        over = np.flatnonzero(test.log_path(new[events], 0.5) >= limit)
        if len(over):
            needed.append((int(events[over[0]]) + 1) / 2)
    return {
        "errors": [ERRORS, WORSE],
        "level": level(),
        "caught": share(len(needed), repeats),
        "median_requests_per_arm": float(np.median(needed)) if needed else None,
        "p90_requests_per_arm": round(float(np.percentile(needed, 90)), 1) if needed else None,
    }


def reading(counts: NDArray[np.int64]) -> Reading:
    """Return what a side has counted: requests, errors, missing outputs, scores by range."""
    scores = np.cumsum(counts[3:]).tolist()
    return Reading(int(counts[0]), int(counts[1]), int(counts[2]), (), tuple(zip(BOUNDS, scores, strict=True)))


def side(rng: np.random.Generator, requests: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return cumulated counts at each look of a version that answers as it should, for so many requests each time."""
    errors, missing = rng.binomial(requests, ERRORS), rng.binomial(requests, MISSING)
    scores = rng.multinomial(requests - errors, [0.1, 0.2, 0.4, 0.2, 0.1])
    return np.column_stack([requests, errors, missing, scores]).cumsum(axis=0)


def false_rollbacks(rng: np.random.Generator, repeats: int, looks: int) -> dict[str, Any]:
    """Return how often the whole watch rolls back a version that is as good as the old one."""
    wrong, watch, each = 0, Watch(), 2 * PER_ARM // looks
    for _ in range(repeats):
        new = rng.binomial(each, 0.5, looks)
        mine, theirs = side(rng, new), side(rng, each - new)
        wrong += any(
            watching.look(watch, reading(a), reading(b), 0.5).outcome is Outcome.FAIL
            for a, b in zip(mine, theirs, strict=True)
        )
    return {"level": watch.alpha, "looks": looks, "requests_per_arm": PER_ARM, "rolled_back": share(wrong, repeats)}


def main() -> None:
    """Simulate, and print the table."""
    given = common.arguments(__doc__, seed={"type": int, "default": 7, "help": "of the random numbers"})
    started = time.time()
    repeats, looks, watched = (30, 20, 5) if given.quick else (1_000, LOOKS, WATCH_LOOKS)
    rng = np.random.default_rng(given.seed)
    results = {
        "a_a": a_a(rng, repeats, looks),
        "caught": caught(rng, repeats),
        "false_rollbacks": false_rollbacks(rng, repeats, watched),
    }
    common.save("sequential", given.quick, started, results, ("plumbline", "numpy", "scipy"), bounds=vars(given))
    tests, found, wrong = results["a_a"], results["caught"], results["false_rollbacks"]
    rows = [
        ["A/A tests decided, sequential", f"{tests['sequential']['share']:.1%}"],
        ["A/A tests decided, z-test", f"{tests['z_test']['share']:.1%}"],
        ["1 % -> 5 % errors caught", f"{found['caught']['share']:.1%}"],
        ["requests per arm until then, median", found["median_requests_per_arm"]],
        ["false rollbacks", f"{wrong['rolled_back']['share']:.1%}"],
    ]
    common.table(["", f"of {repeats:,}"], rows)


if __name__ == "__main__":
    main()
