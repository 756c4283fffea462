"""Write docs/infrastructure/deployment/benchmarks.md from the results that are kept beside the scripts.

    python benchmarks/deployment/page.py [--check]

Every figure on the page comes from a JSON file in benchmarks/deployment/results/; nothing is typed in.
"""

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

from common import HERE, RESULTS, ROOT, markdown

PAGE = ROOT / "docs" / "infrastructure" / "deployment" / "benchmarks.md"
HEAD = """---
title: Deployment benchmarks
description: What a switch, a deployment, a crash and a decision cost, beside other tools; one command each.
---

# Deployment benchmarks

Written by `python benchmarks/deployment/page.py` from the JSON files in `benchmarks/deployment/results/`. Servers and
clients share one machine, so ratios travel and milliseconds do not. All again: `bash deploy/bench.sh --deployment`.
"""
WAYS = {
    "artefact": "inside the server",
    "crowd": "inside the server, a crowd",
    "runtime": "HAProxy, Runtime API",
    "haproxy": "HAProxy, reload",
    "nginx": "nginx, reload",
}
Kept = dict[str, Any]


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a Markdown table."""
    return markdown(head, rows)


def chance(of: Kept) -> str:
    """Return a share with its interval."""
    return f"{of['share']:.1%} ({of['low']:.1%} to {of['high']:.1%})"


def switch(kept: Kept) -> list[str]:
    """Return the section."""
    rows = [
        [
            WAYS[way],
            f"{one['in_flight']:,}",
            one["switches"],
            f"{one['requests']:,}",
            one["failed"],
            one["stale"],
            *(f"{one[f'p99_{which}_ms']:,.1f}" for which in ("without", "with")),
            one["p99_ratio"],
            f"{one['switch_ms']:,.0f}",
        ]
        for way, one in kept["results"].items()
    ]
    head = ["", "in flight", "switches", "requests", "failed", "stale", "p99 ms without", "p99 ms with", "ratio"]
    stale = "Stale: sent after the switch was acknowledged, answered by the old version."
    slow = "Last column: from the command until it is acknowledged, loading included where the way loads."
    crowd = (
        "A block with switches lasts as long as they take, so most of its requests are sent during one; "
        "the block without that follows lasts as long."
    )
    return [f"The client never sends a request twice. {stale} {slow} {crowd}", table([*head, "switch, ms"], rows)]


def server(kept: Kept) -> list[str]:
    """Return the section."""
    rows = [
        [model, form, peer, f"{one['per_s']:,.0f}", one["p99_ms"], one["cpu_us"], _ours(peer, found)]
        for model, forms in kept["results"].items()
        for form, found in forms.items()
        for peer, one in found["servers"].items()
    ]
    head = ["model", "request", "server", "requests/s", "p99 ms", "CPU per request, us", "ours is"]
    bare = "`bare`: uvicorn, msgspec and the same ONNX session, which checks nothing."
    return [f"{bare} Last column: our requests per second divided by theirs, the median over turns.", table(head, rows)]


def _ours(peer: str, found: Kept) -> str:
    if peer == "bare":
        return f"{found['ratio_to_bare']:.2f} x"
    return f"{found['times'][peer]:.0f} x" if peer in found["times"] else ""


def machinery(kept: Kept) -> list[str]:
    """Return the section."""
    found = kept["results"]
    rows = [
        [f"step {name}", one["runs"], f"{one['median']:.3f}", f"{one['least']:.3f} to {one['most']:.3f}"]
        for name, one in found["steps_s"].items()
    ]
    named = {"all but training, test and watch": found["machinery_s"], "rollback": found["rollback_s"]}
    named |= {f"plumb {name}, the whole command": one for name, one in found["commands_s"].items()}
    rows += [[f"**{name}**", one["runs"], f"**{one['median']:.3f}**", f"{one['least']:.3f} to {one['most']:.3f}"]
             for name, one in named.items()]  # fmt: skip
    return [table(["", "runs", "median, s", "range, s"], rows)]


def crashes(kept: Kept) -> list[str]:
    """Return the section."""
    found = kept["results"]
    counted = {
        "moments at which the deployer killed itself": found["killed"],
        "inconsistent ends": found["inconsistent"],
        "leases left behind, which the next deployment from the same machine takes at once": found["leases_left"],
        "requests meanwhile, with candidates that answer": f"{found['requests_of_good']:,}",
        "of these failed": found["failed_of_good"],
    }
    rows: list[list[Any]] = [[what, number] for what, number in counted.items()]
    times = {"restart_s": "restart to finish, with the start of Python, s", "finish_s": "of that the work, s"}
    for name, what in times.items():
        one = found.get(name)
        rows.append([what, f"{one['median']:.2f} (most {one['most']:.2f})" if one else "Not recorded yet"])
    return [table(["`kill -9`", ""], rows)]


def aliases(kept: Kept) -> list[str]:
    """Return the section."""
    rows = [[name, one["moves"], one["p50_ms"], one["p99_ms"], one["times_ours"]]
            for name, one in kept["results"].items()]  # fmt: skip
    return [table(["", "moves", "p50 ms", "p99 ms", "times ours"], rows)]


def sequential(kept: Kept) -> list[str]:
    """Return the section."""
    tests, found, wrong = (kept["results"][name] for name in ("a_a", "caught", "false_rollbacks"))
    low, high = (f"{rate:.0%}" for rate in found["errors"])
    looked = f"{tests['tests']:,} A/A tests looked at {tests['looks']} times"
    rows = [
        [f"{looked}: decided by the sequential rule", chance(tests["sequential"])],
        [f"{looked}: decided by a z-test", chance(tests["z_test"])],
        [f"errors rise from {low} to {high}: caught", chance(found["caught"])],
        ["requests per arm until then, median", f"{found['median_requests_per_arm']:,.0f}"],
        ["requests per arm until then, nine in ten", f"{found['p90_requests_per_arm']:,.0f}"],
        [f"a sound version is rolled back within {wrong['requests_per_arm']:,} requests per arm",
         chance(wrong["rolled_back"])],
    ]  # fmt: skip
    return ["In brackets the interval of 95 %.", table(["", "found"], rows)]


def bumps(kept: Kept) -> list[str]:
    """Return the section."""
    found = kept["results"]
    rows = [[bump, one["pairs"], one["right"]] for bump, one in found["by_bump"].items()]
    return [table(["expected", "pairs of models", "right"], [*rows, ["all", found["pairs"], found["right"]]])]


def digests(kept: Kept) -> list[str]:
    """Return the section."""
    found = kept["results"]
    rows: list[list[Any]] = [
        [what, "the same" if len(set(found[what])) == 1 else "differ", f"`{found[what][0][:19]}…`"]
        for what in ("model", "artefact", "image")
        if found[what]
    ]
    rows.append(["files", f"{len(found['files_that_differ'])} of {found['files']} differ",
                 f"{found['bytes'] / 1e6:,.0f} MB"])  # fmt: skip
    return [table(["packaged twice, in other worlds", "digests", ""], rows)]


def reloads(kept: Kept) -> list[str]:
    """Return the section."""
    one = kept["results"]
    row = [one["reloads"], f"{one['model_bytes'] / 1e6:.1f}", one["mb_per_reload"], one["from_mb"], one["to_mb"]]
    return [table(["reloads", "model, MB", "growth per reload, MB", "resident at first, MB", "at the end, MB"], [row])]


SECTIONS: dict[str, tuple[str, Callable[[Kept], list[str]]]] = {
    "switch": ("Switch under load", switch),
    "server": ("One worker of the server", server),
    "machinery": ("A whole deployment, and the way back", machinery),
    "crashes": ("A deployer that dies", crashes),
    "aliases": ("Moving an alias", aliases),
    "sequential": ("Decisions that may be looked at all the time", sequential),
    "bumps": ("The computed version", bumps),
    "digests": ("The same package twice", digests),
    "reloads": ("Memory over reloads", reloads),
}


def origin(kept: Kept) -> str:
    """Return where the figures come from."""
    machine = kept["machine"]
    used = ", ".join(f"{name} {version}" for name, version in (kept["versions"] | kept.get("peers", {})).items())
    missing = "; ".join(f"{name}: {why}" for name, why in kept.get("missing", {}).items())
    return (
        f"`{kept['command']}` · {kept['date']}, commit {kept['commit']}, {kept['took_s']:g} s · {machine['cpu']}, "
        f"{machine['cores']} cores, {machine['system']}, Python {machine['python']}, {used}"
        + (f" · Not measured: {missing}" if missing else "")
    )


def page() -> str:
    """Return the page; a benchmark without results says so."""
    parts = [HEAD]
    for name, (title, section) in SECTIONS.items():
        path = RESULTS / f"{name}.json"
        parts.append(f"## {title}")
        if path.exists():
            kept = json.loads(path.read_text(encoding="utf-8"))
            parts += [*section(kept), origin(kept)]
        else:
            parts.append(f"Not recorded yet: `python benchmarks/deployment/{name}.py`.")
    return "\n\n".join(part.strip() for part in parts) + "\n"


def main() -> None:
    """Write the page, or say that it is out of date."""
    text = page()
    if "--check" in sys.argv[1:]:
        current = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
        if current != text:
            sys.exit(f"{PAGE.relative_to(ROOT)} is out of date: python {HERE.relative_to(ROOT)}/page.py writes it")
        return
    PAGE.write_text(text, encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)}: written")


if __name__ == "__main__":
    main()
