from pathlib import Path

import pytest

from plumbline.catalogue import locate
from plumbline.diagnosis.rules import RuleError, imported, offences, parse


def _first(text, **also):
    return next(offences(text, **also), (0, ""))


def test_a_diagnostic_that_keeps_the_rules_has_no_offence(source):
    assert list(offences(source())) == []


def test_every_diagnostic_of_the_catalogue_keeps_the_rules():
    found = {path: list(offences(path.read_text())) for _, path in locate().diagnostics()}
    assert found
    assert {path: broken for path, broken in found.items() if broken} == {}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("#!/usr/bin/env -S plumb run", "#!/usr/bin/python3", "first line"),
        ('"""Is the number small enough?\n\nIt is read from nowhere.\n"""', "", "no docstring"),
        ("Is the number small enough?", "The number is small.", "no question"),
        ("import ctypes", "import requests", "imports 'requests'"),
        ("import ctypes", "from . import neighbour", "imports '.'"),
        ("import ctypes", "from plumbline_search import find", "imports 'plumbline_search'"),
        ("TOO_MUCH = ", "SIZE = os.remove('x')\nTOO_MUCH = ", "calls os.remove()"),
        ("TOO_MUCH = ", "print('hello')\nTOO_MUCH = ", "'expr' at the top level"),
        ("TOO_MUCH = ", "for x in ():\n    pass\nTOO_MUCH = ", "'for' at the top level"),
        ("@diagnostic(timeout_s=20.0)\n", "", "declares no diagnostic"),
        ("import ctypes", "import ctypes as", "is no Python"),
    ],
)
def test_a_broken_rule_is_told_with_its_line(source, old, new, told):
    text = source()
    assert old in text
    line, sentence = _first(text.replace(old, new, 1))
    assert told in sentence
    assert 1 <= line <= len(text.splitlines()) + 2


def test_the_line_is_that_of_the_offence(source):
    text = source().replace("import ctypes", "import requests")
    line, _ = _first(text)
    assert text.splitlines()[line - 1] == "import requests"


def test_two_diagnostics_in_a_file_are_one_too_many(source):
    text = source() + "\n\n@diagnostic\ndef second(number: Number) -> Finding:\n    return ok('fine')\n"
    line, sentence = _first(text)
    assert "second diagnostic, second()" in sentence
    assert text.splitlines()[line - 1].startswith("def second")


def test_defaults_and_decorators_run_on_import_but_bodies_do_not(source):
    eager = source().replace("def read(endpoint: Endpoint)", "def read(endpoint: Endpoint, when=time.time())")
    assert "calls time.time()" in _first(eager)[1]
    assert _first(source("return ok(str(time.time()))")) == (0, "")


def test_a_distribution_may_import_its_own_package(source):
    text = source().replace("import ctypes", "import acme.evidence")
    assert _first(text, also=frozenset({"acme"})) == (0, "")


def test_parsing_stops_at_the_first_offence_and_names_the_file(source):
    with pytest.raises(RuleError, match=r"/some/place\.py:\d+: imports 'requests'"):
        parse(Path("/some/place.py"), source().replace("import ctypes", "import requests"))


def test_what_a_file_imports_is_told_without_running_it(source):
    assert imported(source()) == {"plumbline.diagnosis", "plumbline.evidence"}
    assert imported("import (") == set()
