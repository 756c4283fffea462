"""Callers of the churn model: ask on and on, each request once, and say who answered and what failed."""

from __future__ import annotations

import argparse
import collections
import contextlib
import json
import random
import threading
import urllib.error
import urllib.request

FEATURES = {"tenure_months": (0, 72), "monthly_fee": (15, 95), "tickets": (0, 8), "last_login_days": (0, 45)}
MODEL = "churn"
PAUSE_S = 0.02  # between two requests of one caller


def ask(url: str) -> str:
    """Send one request; return the version that answered, or what went wrong."""
    row = [
        {"name": name, "datatype": "FP64", "shape": [1], "data": [random.uniform(*span)]}
        for name, span in FEATURES.items()
    ]
    body = json.dumps({"inputs": row}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/v2/models/{MODEL}/infer", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            answer.read()
            return str(answer.headers["x-model-version"]).partition("+")[0]
    except (urllib.error.URLError, OSError) as error:
        return f"failed: {error}"


def main(url: str, seconds: float, callers: int) -> None:
    """Ask for a while, in several threads, and print how often each version answered; Ctrl-C ends it sooner."""
    over, counts = threading.Event(), collections.Counter[str]()

    def go_on() -> None:
        while not over.is_set():
            counts[ask(url)] += 1
            over.wait(PAUSE_S)

    threads = [threading.Thread(target=go_on) for _ in range(callers)]
    for thread in threads:
        thread.start()
    with contextlib.suppress(KeyboardInterrupt):
        over.wait(seconds)
    over.set()
    for thread in threads:
        thread.join()
    for said, count in sorted(counts.items()):
        print(f"{count:,} answers: {said}")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--url", default="http://127.0.0.1:8080")
    arguments.add_argument("--seconds", type=float, default=60.0)
    arguments.add_argument("--callers", type=int, default=4)
    chosen = arguments.parse_args()
    main(chosen.url, chosen.seconds, chosen.callers)
