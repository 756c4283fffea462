"""The balance of an experiment's arms, read from logs of ours and of other people."""

import asyncio
import json
import random

import pytest

from plumbline.deployment.evidence_balance import ArmBalance, balance_from_log, balance_from_plan
from plumbline.deployment.probes.exposures import seen
from plumbline.evidence import Endpoint, UnavailableError
from plumbline.lab.servers.http import Config
from plumbline.lab.servers.shop import Shop

EXPERIMENT = """\
experiment: offer
log: offer.log
arms: [{name: control, share: 0.5}, {name: treatment, share: 0.5}]
metrics: [{name: bought, kind: share, mean: 0.05, detect: 0.01}]
units: 20000
sync: 1s
"""


def written(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def visits(n, lose=lambda platform, arm: False):
    draw = random.Random(1)
    for number in range(n):
        platform, arm = ("ios", "web")[number % 2], draw.choice(("control", "treatment"))
        if not lose(platform, arm):
            yield {"unit": f"u{number}", "arm": arm, "dimensions": {"platform": platform}, "session": 7}


def test_an_even_log_of_anybody_is_even(tmp_path):
    found = balance_from_log(Endpoint("x", exposures=str(written(tmp_path / "a.jsonl", visits(4000)))))
    assert found.units == 4000
    assert (found.planned, found.uneven, found.parts, found.part) == (0, 0, 2, "")
    assert found.p > 0.5
    assert found.alike > 0.01


def test_the_part_in_which_one_arm_loses_units_is_named(tmp_path):
    draw = random.Random(2)
    lost = visits(4000, lambda platform, arm: (platform, arm) == ("ios", "treatment") and draw.random() < 0.5)
    found = balance_from_log(Endpoint("x", exposures=str(written(tmp_path / "a.jsonl", lost))))
    assert (found.uneven, found.part) == (1, "platform=ios")
    assert found.part_sizes[0] > found.part_sizes[1]
    assert found.part_p < 1e-6
    assert found.alike < 1e-6


def test_parts_that_lose_the_same_are_alike(tmp_path):
    draw = random.Random(3)
    lost = visits(6000, lambda _, arm: arm == "treatment" and draw.random() < 0.3)
    found = balance_from_log(Endpoint("x", exposures=str(written(tmp_path / "a.jsonl", lost))))
    assert found.p < 1e-6
    assert found.alike > 0.01


def test_shares_are_those_of_the_plan_and_the_log_is_the_one_it_names_or_the_targets(tmp_path):
    experiment = tmp_path / "offer.yml"
    experiment.write_text(EXPERIMENT.replace("share: 0.5", "share: 0.9", 1).replace("share: 0.5", "share: 0.1"))
    written(tmp_path / "offer.log", visits(2000))
    found = balance_from_plan(Endpoint("x", experiment=str(experiment)))
    assert found.planned == 1
    assert found.expected == pytest.approx((1800.0, 200.0))
    assert found.p < 1e-9
    other = written(tmp_path / "other.jsonl", visits(10))
    assert balance_from_plan(Endpoint("x", experiment=str(experiment), exposures=str(other))).units == 10


def test_units_in_two_arms_and_arms_without_a_plan_are_counted(tmp_path):
    (tmp_path / "offer.yml").write_text(EXPERIMENT)
    rows = [{"unit": "u1", "arm": "control"}, {"unit": "u1", "arm": "treatment"}, {"unit": "u2", "arm": "treatment-b"}]
    written(tmp_path / "offer.log", rows)
    found = balance_from_plan(Endpoint("x", experiment=str(tmp_path / "offer.yml")))
    assert (found.crossed, found.strangers, found.stranger) == (1, 1, "treatment-b")


def test_outcomes_are_passed_over_and_a_torn_line_is_counted(tmp_path):
    log = tmp_path / "a.jsonl"
    log.write_text(
        '{"kind":"exposure","unit":"u1","arm":"a","at":5}\n\n'
        '{"kind":"outcome","unit":"u1","metric":"bought","value":1,"at":6}\n'
        '{"unit":"u1","metric":"bought"}\n{"unit":"u2","ar'
    )
    found = seen(log)
    assert [(one.unit, one.at) for one in found.exposures] == [("u1", 5.0)]
    assert found.torn == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"unit": 7, "arm": "a"}\n', "a.jsonl:1: "),
        ('{"unit": "u1"}\n', "names no arm"),
        ('{"unit": "u1", "arm": "a"}\n', "exposures to 1 arms"),
        ("", "exposures to 0 arms"),
        (None, "there is no log"),
    ],
)
def test_what_is_no_log_is_unknown_with_a_sentence(tmp_path, text, said):
    log = tmp_path / "a.jsonl"
    if text is not None:
        log.write_text(text)
    with pytest.raises(UnavailableError, match=said):
        balance_from_log(Endpoint("x", exposures=str(log)))


def test_a_folder_or_a_wrong_plan_is_unknown(tmp_path):
    with pytest.raises(UnavailableError, match="Is a directory"):
        balance_from_log(Endpoint("x", exposures=str(tmp_path)))
    with pytest.raises(UnavailableError, match="No such file"):
        balance_from_plan(Endpoint("x", experiment=str(tmp_path / "none.yml")))


def test_the_best_source_needs_both_files():
    assert [sorted(source.needs) for source in ArmBalance.sources] == [
        ["experiment", "exposures"],
        ["experiment"],
        ["exposures"],
    ]


def test_the_shop_logs_who_saw_a_page_and_nobody_else(tmp_path):
    (tmp_path / "offer.yml").write_text(EXPERIMENT)
    pages = {"control": "for $price", "treatment": "for $price in $locale"}
    written(tmp_path / "shop.json", [{"experiment": str(tmp_path / "offer.yml"), "pages": pages}])
    defaults = {"experiment": "", "pages": {}, "price": "9.90", "dimensions": ["platform"]}
    shop = Shop(Config(tmp_path / "shop.json", defaults))

    async def visited():
        failed = 0
        for number in range(300):
            query = {"visitor": f"v{number % 200}", "platform": "ios"}
            try:
                assert (await shop.handle("/offer", query)).value["page"] == "for 9.90"
            except KeyError:
                failed += 1
        assert (await shop.handle("/", {})).status == 404
        return failed

    failed = asyncio.run(visited())
    logged = seen(tmp_path / "offer.log").exposures
    assert failed > 50
    assert {one.arm for one in logged} == {"control"}
    assert len({one.unit for one in logged}) == len(logged)

    (tmp_path / "offer.yml").write_text(EXPERIMENT.replace("offer", "again"))
    asyncio.run(shop.handle("/offer", {"locale": "de"}))
    assert len(seen(tmp_path / "again.log").exposures) == 1
