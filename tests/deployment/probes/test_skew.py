"""Features as served, held against the same features as training computes them."""

import json
from pathlib import Path
from typing import Any

import pytest

from plumbline.deployment.core.errors import UnavailableError as RegistryDownError
from plumbline.deployment.evidence_skew import Skew, skew_from_admin, skew_from_files
from plumbline.deployment.probes.rows import Row, rows
from plumbline.deployment.probes.skew import compared
from plumbline.deployment.serving import admin
from plumbline.evidence import Endpoint, UnavailableError

NAMES = ("age", "price")


def table(count: int = 60, start: int = 0) -> list[dict[str, Any]]:
    return [{"key": f"c{at}", "age": 20.0 + at, "price": 5.0 + 2 * at} for at in range(start, start + count)]


def as_rows(told: list[dict[str, Any]], *, keyed: bool = True) -> list[Row]:
    return [
        Row({name: one[name] for name in NAMES if name in one}, one.get("key") if keyed else None, one.get("at"))
        for one in told
    ]


def skew(served: list[dict[str, Any]], trained: list[dict[str, Any]], *, keyed: bool = True) -> Skew:
    return Skew(**compared(as_rows(served, keyed=keyed), as_rows(trained, keyed=keyed)))


def with_price(change: Any) -> list[dict[str, Any]]:
    return [one | {"price": change(one["price"])} for one in table()]


def test_rows_of_one_key_that_agree_do_not_differ():
    found = skew(table(), table())
    assert (found.paired, found.rows, found.features, found.feature) == (True, 60, 2, "")


def test_a_constant_ratio_is_found_and_names_the_feature():
    found = skew(with_price(lambda price: price * 100), table())
    assert (found.feature, found.differing, found.ratio_alike) == ("price", 60, 60)
    assert found.ratio == pytest.approx(100)


def test_a_constant_shift_is_found():
    found = skew(with_price(lambda price: price + 3600), table())
    assert found.shift == pytest.approx(3600)
    assert found.shift_alike == 60 > found.ratio_alike


def test_one_point_alone_is_neither_ratio_nor_shift():
    found = skew([{"key": "c", "price": 7.0}] * 30, [{"key": "c", "price": 5.0}])
    assert (found.differing, found.ratio, found.shift) == (30, None, None)


def test_gaps_on_one_side_are_told_from_gaps_on_the_other():
    gone = with_price(lambda _: None)
    assert skew(gone, table()).emptied == 60
    assert skew(table(), gone).filled == 60


def test_training_rows_of_the_future_are_not_compared_with_and_older_ones_tell_what_is_stale():
    trained = [
        {"key": "c", "at": 10.0, "price": 5.0},
        {"key": "c", "at": 20.0, "price": 6.0},
        {"key": "c", "at": 90.0, "price": 9.0},
    ]
    assert skew([{"key": "c", "at": 30.0, "price": 6.0}], trained).differing == 0
    found = skew([{"key": "c", "at": 30.0, "price": 5.0}], trained)
    assert (found.differing, found.stale) == (1, 1)


def test_float32_on_the_way_is_no_difference_and_small_numbers_are_seen_to_differ():
    assert skew(with_price(lambda price: price * (1 + 1e-6)), table()).differing == 0
    small = [one | {"price": 1e-4 * one["price"]} for one in table()]
    assert skew([one | {"price": 2 * one["price"]} for one in small], small).differing == 60


def test_a_world_that_moved_moves_both_sides_of_a_pair_and_leaves_training_behind():
    today = [one | {"key": f"t{at}", "price": 1_000.0 + at} for at, one in enumerate(table())]
    found = skew(today, [*table(), *today])
    assert (found.differing, found.moved) == (0, ("price",))


def test_without_keys_quantiles_show_a_factor_a_gap_or_nothing():
    found = skew(with_price(lambda price: price * 100), table(), keyed=False)
    assert (found.paired, found.feature, found.moved) == (False, "price", ("price",))
    assert found.ratio == pytest.approx(100, rel=0.01)
    gap = skew(with_price(lambda price: None if price < 50 else price), table(), keyed=False)
    assert (gap.feature, gap.emptied, gap.filled) == ("price", 20, 0)
    assert skew(table(), table(), keyed=False).feature == ""
    assert skew(table(10), table(), keyed=False).of == 0  # too few to have quantiles


def write(path: Path, told: list[dict[str, Any]]) -> str:
    path.write_text("".join(f"{json.dumps(one)}\n" for one in told))
    return str(path)


def test_files_are_json_lines_or_csv_and_a_line_that_is_being_written_waits(tmp_path: Path):
    lines = tmp_path / "served.jsonl"
    lines.write_text('{"key": 7, "at": "2026-11-23T10:00:00", "features": {"age": NaN}}\n{"key": "c1", "ag')
    assert rows(str(lines), 9) == [Row({"age": None}, "7", 1795428000.0)]
    csv = tmp_path / "trained.csv"
    csv.write_text("key,age,region\nc0,20,north\nc1,,south\nc2,3")
    assert rows(str(csv), 9) == [
        Row({"age": 20.0, "region": "north"}, "c0"),
        Row({"age": None, "region": "south"}, "c1"),
    ]
    assert [one.key for one in rows(str(csv), 1)] == ["c1"]


def test_files_are_compared_and_what_cannot_be_read_is_said(tmp_path: Path):
    served, trained = write(tmp_path / "s.jsonl", table()), write(tmp_path / "t.jsonl", table())
    assert skew_from_files(Endpoint(name="t", served=served, trained=trained)).rows == 60
    with pytest.raises(UnavailableError, match="no rows yet"):
        skew_from_files(Endpoint(name="t", served=write(tmp_path / "e.jsonl", []), trained=trained))
    with pytest.raises(UnavailableError, match="cannot be read"):
        skew_from_files(Endpoint(name="t", served=str(tmp_path / "none"), trained=trained))
    (tmp_path / "broken").write_text("no rows\nat all\n")
    with pytest.raises(UnavailableError, match="holds no rows of features"):
        skew_from_files(Endpoint(name="t", served=str(tmp_path / "broken"), trained=trained))


def test_a_model_servers_recent_rows_are_compared_without_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    target = Endpoint(name="t", admin="m.sock", trained=write(tmp_path / "t.jsonl", table()))
    columns = {"age": [20 + at for at in range(60)], "price": [None] * 60}
    monkeypatch.setattr(admin, "ask", lambda *_: {"limit": 60, "inputs": columns})
    found = skew_from_admin(target)
    assert (found.paired, found.rows, found.feature, found.emptied) == (False, 60, "price", 20)
    monkeypatch.setattr(admin, "ask", lambda *_: {"limit": 0, "inputs": {}})
    with pytest.raises(UnavailableError, match="--recent 2000"):
        skew_from_admin(target)

    def down(*_: Any) -> Any:
        raise RegistryDownError("nobody listens on m.sock")

    monkeypatch.setattr(admin, "ask", down)
    with pytest.raises(UnavailableError, match="nobody listens"):
        skew_from_admin(target)
