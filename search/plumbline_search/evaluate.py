"""`python -m plumbline_search.evaluate`: relevance beside each half and the site's own search, latency, start-up."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from plumbline.catalogue import CatalogueError, locate
from plumbline_search import judged, material, relevance, systems, timing, tuning
from plumbline_search.engine import Engine
from plumbline_search.relevance import Outcome
from plumbline_search.service import Service
from plumbline_search.vectors import Vectors
from plumbline_search.weights import weights

RESULTS = judged.FOLDER / "results.json"
WEIGHTS = judged.FOLDER / "weights.json"
NOTE = "python -m plumbline_search.evaluate --tune, on the tuning half of queries.yml"
_ROW = "{:<26}{:>9}{:>7}{:>11}{:>11}{:>15}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the evaluation; returns 0, or 2 with one sentence on standard error."""
    parser = argparse.ArgumentParser(prog="python -m plumbline_search.evaluate", description=__doc__)
    parser.add_argument("--catalogue", help="the handbook to search")
    parser.add_argument(
        "--site", default="site", type=Path, help="the built site, for its own search (default: ./site)"
    )
    parser.add_argument("--no-site", action="store_true", help="leave the site's own search out")
    parser.add_argument("--no-timing", action="store_true", help="leave latency and start-up out")
    parser.add_argument(
        "--tune", action="store_true", help="choose weights and thresholds on the tuning half, and keep them"
    )
    parser.add_argument("--record", action="store_true", help="keep the figures in search/evaluation/results.json")
    parser.add_argument("--misses", action="store_true", help="list the queries that the hybrid got wrong")
    options = parser.parse_args(arguments)
    try:
        return _evaluate(options)
    except (judged.JudgedError, material.SiteSearchError, CatalogueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2


def hybrid_engine(service: Service) -> Engine:
    """Return a service's engine with its embeddings kept between questions.

    Raises:
        JudgedError: There is no hybrid engine.
    """
    engine = service.state.engine
    if engine is None or engine.mode != "hybrid" or engine.embed is None:
        raise judged.JudgedError(f"the evaluation needs the whole search, but: {service.state.notice} Run plumb index.")
    return Engine(engine.corpus, engine.lexicon, engine.weights, engine.dense, _kept(engine))


def compare(engine: Engine, queries: list[judged.Judged], chosen: systems.ByKind) -> dict[str, list[Outcome]]:
    """Ask the hybrid, the lexical mode, and each half alone with a threshold of its own."""
    bm25, dense = tuning.tune_alone(engine, queries, chosen)
    lexical = {kind: systems.lexical_mode(one) for kind, one in chosen.items()}
    asked = {systems.HYBRID: chosen, systems.LEXICAL: lexical, systems.BM25: bm25, systems.DENSE: dense}
    return {name: systems.run(engine, queries, by_kind) for name, by_kind in asked.items()}


def _evaluate(options: argparse.Namespace) -> int:
    catalogue = locate(options.catalogue)
    service = Service(catalogue)
    service.load()
    engine, queries = hybrid_engine(service), judged.load()
    chosen = weights()
    if options.tune:
        chosen = tuning.tune(engine, queries)
        WEIGHTS.write_text(json.dumps(tuning.stored(chosen, NOTE), indent=2) + "\n", encoding="utf-8")
    outcomes = compare(engine, queries, chosen)
    if not options.no_site:
        outcomes[material.WHOLE] = material.run(options.site, engine.corpus, queries)
        outcomes[material.KEYWORDS] = material.run(options.site, engine.corpus, queries, keywords=True)
    _print_relevance(outcomes)
    told: dict[str, Any] = {"relevance": _figures(outcomes), "successes": _successes(outcomes[systems.HYBRID])}
    if options.misses:
        _print_misses(outcomes[systems.HYBRID])
    if not options.no_timing:
        told["timing"] = _timing(service)
    if options.record:
        RESULTS.write_text(json.dumps(told, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
    return 0


def _kept(engine: Engine) -> Any:
    embed = engine.embed

    @cache
    def kept(text: str) -> Vectors:
        assert embed is not None  # noqa: S101 - hybrid_engine asked
        return embed(text)

    return kept


def _groups(outcomes: list[Outcome]) -> dict[str, list[Outcome]]:
    groups = {"all": outcomes}
    groups |= {half: [one for one in outcomes if one.judged.half == half] for half in ("tune", "test")}
    groups |= {name: [one for one in outcomes if one.judged.register == name] for name in judged.REGISTERS}
    return groups


def _figures(outcomes: dict[str, list[Outcome]]) -> dict[str, dict[str, dict[str, float]]]:
    return {
        name: {group: _rounded(relevance.figures(of_group)) for group, of_group in _groups(every).items()}
        for name, every in outcomes.items()
    }


def _rounded(figures: relevance.Figures) -> dict[str, float]:
    return {name: round(value, 4) for name, value in asdict(figures).items()}


def _successes(outcomes: list[Outcome]) -> dict[str, bool]:
    return {one.judged.query: one.first for one in outcomes if one.judged.want is not None}


def _print_relevance(outcomes: dict[str, list[Outcome]]) -> None:
    groups = {name: _groups(every) for name, every in outcomes.items()}
    for group in groups[systems.HYBRID]:
        first = relevance.figures(groups[systems.HYBRID][group])
        _say(f"\n{group}: {first.n} queries with a guide, {first.n_none} without")
        _say(_ROW.format("", "success@1", "MRR", "answered", "of these", "false answers"))
        for name, of_system in groups.items():
            told = relevance.figures(of_system[group])
            answered = relevance.figures([one for one in of_system[group] if one.answered])
            shares = [told.answered_right, answered.success_at_1, told.false_answers]
            right, precise, false = (f"{100 * share:.0f} %" for share in shares)
            _say(_ROW.format(name, f"{told.success_at_1:.3f}", f"{told.mrr:.3f}", right, precise, false))
    _say("\nsuccess@1 and MRR rank as if an answer had to be given; 'answered': answered, with the right page first;")
    _say("'of these': how often that page was right when it answered. The site's search answers if it finds anything.")
    _print_differences(outcomes)


def _print_differences(outcomes: dict[str, list[Outcome]]) -> None:
    ours = [one.first for one in outcomes[systems.HYBRID] if one.judged.want is not None]
    _say("\nsuccess@1 of the hybrid minus that of …, all queries with a guide, 95 % interval (paired bootstrap)")
    for name, every in outcomes.items():
        if name != systems.HYBRID:
            mean, low, high = relevance.paired(ours, [one.first for one in every if one.judged.want is not None])
            _say(f"  {name:<26}{mean:+.3f} [{low:+.3f}, {high:+.3f}]")


def _print_misses(outcomes: list[Outcome]) -> None:
    _say("\nmisses of the hybrid")
    for one in outcomes:
        if one.judged.want is not None and not one.success:
            why = f"rank {one.rank}" if not one.first else "not answered"
            _say(f"  {one.judged.half} {one.judged.register} {one.judged.want}: {why}: {one.judged.query[:100]!r}")
        elif one.judged.want is None and one.answered:
            _say(f"  {one.judged.half} {one.judged.register} false answer {one.ranked[0]}: {one.judged.query[:100]!r}")


def _timing(service: Service) -> dict[str, Any]:
    state = service.state
    if state.engine is None or state.suggester is None:
        raise judged.JudgedError("there is nothing to time")
    queries = [one.query for one in judged.load()]
    timing.latency(state.engine, queries[:20], 1)  # the first runs of a model allocate
    by_kind = timing.latency(state.engine, queries, 3)
    typing = timing.suggesting(state.suggester, queries[:20], 1)
    started = timing.start(service.catalogue, queries[0], 3)
    _say("\nuncached answers, all in, one thread (milliseconds)")
    for name, taken in [*((kind.value, one) for kind, one in by_kind.items()), ("suggestion", typing)]:
        shown = f"p50 {taken.p50:>7.2f}   p99 {taken.p99:>7.2f}   processor time p50 {taken.cpu_p50:>6.2f}"
        _say(f"  {name:<12}{shown}   n {taken.n}")
    _say(f"a fresh process: first answer after {started.first_s:.2f} s, hybrid after {started.hybrid_s:.2f} s")
    _say(f"torch imported: {started.torch}")
    return {
        "uncached_ms": {kind.value: asdict(taken) for kind, taken in by_kind.items()},
        "suggest_ms": asdict(typing),
        "start": asdict(started),
    }


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
