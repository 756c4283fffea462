"""A resolv.conf is read as glibc reads it, and where the process in question sees it."""

from __future__ import annotations

from pathlib import Path

import pytest

from plumbline.host.resolvconf import ResolvConf, file_of, parse


def test_a_resolv_conf_is_read_as_glibc_reads_it() -> None:
    text = (
        "# comment\n; another\ndomain old.example\nnameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver fe80::1%eth0\n"
        "nameserver 10.0.0.4\nsearch a.example b.example\noptions ndots:5 timeout:2 rotate edns0 attempts:9\nodd\n"
    )
    assert parse(text) == ResolvConf(
        ("10.0.0.1", "10.0.0.2", "fe80::1%eth0"), ("a.example", "b.example"), 5, 2.0, 5, True
    )
    assert parse("") == ResolvConf(("127.0.0.1",), (), 1, 5.0, 2, False)
    assert parse("domain a.example b.example\noptions timeout:0 ndots:many\n").search == ("a.example",)


@pytest.mark.parametrize(
    ("name", "tried"),
    [
        ("api.example.com", ["api.example.com.a.", "api.example.com.b.", "api.example.com."]),
        ("a.b.c.d.e.f", ["a.b.c.d.e.f.", "a.b.c.d.e.f.a.", "a.b.c.d.e.f.b."]),
        ("api.", ["api."]),
    ],
)
def test_names_with_few_dots_are_tried_with_the_search_domains_first(name: str, tried: list[str]) -> None:
    assert parse("search a b. .\noptions ndots:5").candidates(name) == tried


def test_links_of_a_container_are_followed_in_its_own_tree(tmp_path: Path) -> None:
    inside = tmp_path / "proc/42/root"
    (inside / "etc").mkdir(parents=True)
    (inside / "run/resolve").mkdir(parents=True)
    (inside / "run/resolve/stub.conf").write_text("nameserver 127.0.0.53\n")
    (inside / "etc/resolv.conf").symlink_to("/run/resolve/stub.conf")
    assert file_of(42, tmp_path) == inside / "run/resolve/stub.conf"
    (inside / "etc/resolv.conf").unlink()
    (inside / "etc/resolv.conf").symlink_to("../run/resolve/stub.conf")
    assert file_of(42, tmp_path).read_text() == "nameserver 127.0.0.53\n"
