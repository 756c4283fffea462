"""The page says what the tests cover."""

import re

from .table import HERE, PAGE, rows, table


def test_the_pages_table_is_that_of_the_tests():
    assert table() in PAGE.read_text(), "run python tests/streaming/conformance/table.py"


def test_every_file_that_the_page_names_is_there():
    named = re.findall(r"`(test_\w+\.py)`", PAGE.read_text())
    assert len(set(named)) >= 8
    assert [name for name in named if not (HERE / name).is_file()] == []


def test_every_section_that_binds_servers_is_covered():
    sections = {section for section, *_ in rows()}
    assert sections >= {"4.2.1", "4.2.2", "4.4", "5.1", "5.2", "5.3", "5.4", "5.5", "5.5.1", "5.5.2", "5.5.3", "5.6"}
    assert sections >= {
        "6.2",
        "7.1.1",
        "7.1.2",
        "7.1.5",
        "7.1.7",
        "7.4.1",
        "7.4.2",
        "8.1",
        "9.1",
        "10.2",
        "10.3",
        "10.4",
    }
