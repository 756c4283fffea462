"""One job, done in this process without confinement: what is asked, what is answered."""

from dataclasses import replace

import pytest

from plumbline.diagnosis import collect, confine
from plumbline.diagnosis.catalogue import load
from plumbline.diagnosis.collect import Gathered, gather, missing, why
from plumbline.diagnosis.job import _State, answer
from plumbline.diagnosis.plan import plan
from plumbline.evidence import Endpoint, UnavailableError


@pytest.fixture
def ask(make, monkeypatch):
    """Do the job of a diagnostic with this text."""
    monkeypatch.setattr(confine, "die_with_parent", lambda: None)

    def run(text, **request):
        (one,) = load(make({"host.a": text}))
        given = {"origin": {"id": one.id, "path": str(one.path), "packages": []}, "endpoint": {"name": "here"}}
        return answer(given | request, _State(lock=False))

    return run


def test_evidence_and_finding_are_plain_data(ask, source):
    got = ask(source())
    assert got["finding"]["status"] == "ok"
    assert got["finding"]["measures"][0]["limit"]["text"] == "5 s"
    assert got["evidence"]["number"] == {
        "type": "Number",
        "value": {"value": 3.0, "owner": "alice", "password": "hunter2-canary"},
        "reason": None,
        "sentence": "",
        "reads": ["the number of {url}"],
    }
    assert got["reads"] == ["the number of {url}"]


def test_evidence_of_a_bundle_is_judged_without_reading(ask, source):
    text = source(read="raise RuntimeError('nobody may read')")
    record = {
        "value": {"value": 1.5, "owner": "owner-1", "password": "x"},
        "reason": None,
        "sentence": "",
        "reads": ["r"],
    }
    got = ask(text, evidence={"number": record})
    assert got["finding"]["sentence"] == "It takes 1.5 s."
    assert got["reads"] == ["r"]
    assert ask(text, evidence={})["sentence"] == "the bundle lacks it"
    assert "validation error" in ask(text, evidence={"number": record | {"value": {"value": "odd"}}})["sentence"]


def test_what_was_read_is_told_even_if_judging_fails(ask, source):
    got = ask(source("raise KeyError('x')"))
    assert got["reason"] == "exception"
    assert got["sentence"].startswith("the diagnostic failed: KeyError: 'x' (a.py:")
    assert got["evidence"]["number"]["value"]["value"] == 3.0


def test_a_broken_file_is_an_answer(ask, source):
    assert "imports 'yaml'" in ask(source().replace("import ctypes", "import yaml"))["sentence"]


def test_a_forbidden_act_is_told_as_such(ask, source):
    got = ask(source("raise PermissionError('x')"))
    assert got["sentence"].startswith("the diagnostic failed: PermissionError")
    with pytest.raises(confine.ForbiddenError):
        confine.forbidder(judging=lambda: True)("os.fork", ())


def test_the_namespace_is_entered_before_anything_is_read(ask, source, monkeypatch):
    entered = []
    monkeypatch.setattr(confine, "enter_network_of", entered.append)
    got = ask(source(), endpoint={"name": "lab", "netns_of": 17})
    assert (entered, got["finding"]["status"]) == ([17], "ok")

    def refuse(pid):
        raise UnavailableError("permission", "not yours")

    monkeypatch.setattr(confine, "enter_network_of", refuse)
    got = ask(source(), endpoint={"name": "lab", "netns_of": 17})
    assert (got["reason"], got["sentence"]) == ("permission", "not yours")


@pytest.fixture
def two(make, source):
    """A diagnostic of two optional parameters with several sources each."""

    def built(first, second, *, optional=True):
        text = source("return ok(f'{number} {other}')")
        sources = (
            "(Source(frozenset({'admin'}), 'admin {admin}', first), Source(frozenset({'pid'}), '/proc/{pid}', second))"
        )
        text = text.replace('(Source(frozenset(), "the number of {url}", read),)', sources)
        text = text.replace("number: Number)", f"number: Number{' | None' * optional}, other: Number | None = None)")
        text = text.replace(
            "def read(",
            f"def first(endpoint: Endpoint):\n    {first}\n\n"
            f"def second(endpoint: Endpoint):\n    {second}\n\n"
            "def read(",
        )
        (one,) = load(make({"host.two": text}))
        assert one.judge is not None, one.broken
        return one

    return built


BOTH = Endpoint(name="here", pid=7, admin="/run/gw.sock")
FAIL, GIVE = "raise FileNotFoundError(2, 'No such file')", "return Number(2.0)"


def test_the_first_source_that_answers_wins_and_all_that_were_tried_are_told(two):
    got, _ = gather(two(FAIL, GIVE).judge, BOTH)
    assert got.value.value == 2.0
    assert got.reads == ("admin /run/gw.sock", "/proc/7")
    got, _ = gather(two(GIVE, FAIL).judge, BOTH)
    assert got.reads == ("admin /run/gw.sock",)


def test_sources_that_the_target_does_not_offer_are_passed_over(two):
    got, _ = gather(two(FAIL, GIVE).judge, Endpoint(name="here", pid=7))
    assert got.reads == ("/proc/7",)


def test_if_all_fail_the_best_source_gives_the_reason(two):
    one = two("raise UnavailableError('permission', 'run as root')", FAIL)
    got, _ = gather(one.judge, BOTH)
    assert (got.value, got.reason, got.sentence) == (None, "permission", "run as root")


def test_optional_parameters_may_be_missing_unless_all_are(two):
    one = two(FAIL, GIVE)
    some = gather(one.judge, BOTH)
    assert missing(one.judge, some) is None
    none = gather(one.judge, Endpoint(name="here"))
    assert missing(one.judge, none) == none[0]
    assert none[0].sentence == (
        "the target 'here' does not give what Number needs: admin socket (admin), or process id (pid)"
    )


def test_of_optional_ones_that_are_all_missing_the_one_that_was_asked_is_told(two):
    one = two(FAIL, GIVE)
    not_asked, _ = gather(one.judge, Endpoint(name="here"))
    asked = Gathered("other", None, "permission", "run as root", ("/proc/7",))
    assert missing(one.judge, [not_asked, asked]) is asked
    other = replace(not_asked, sentence="nor that")
    assert missing(one.judge, [not_asked, other]).sentence == f"{not_asked.sentence}; nor that"


def test_a_required_parameter_must_be_there(two):
    one = two(GIVE, FAIL, optional=False)
    got = gather(one.judge, Endpoint(name="here"))
    assert missing(one.judge, got) is got[0]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (UnavailableError("malformed", "odd"), "malformed"),
        (PermissionError(13, "Permission denied"), "permission"),
        (TimeoutError(), "timeout"),
        (ConnectionRefusedError(), "unreachable"),
        (ProcessLookupError(), "unreachable"),
        (KeyError("x"), "exception"),
    ],
)
def test_what_a_source_raises_becomes_a_reason(error, reason):
    assert why(error)[0] == reason


def test_a_plan_names_the_sources_in_order_without_reading(two, make, source):
    lines = list(plan([two("raise SystemExit", "raise SystemExit")], BOTH))
    assert lines == [
        "host.two: Is the number small enough?",
        "  Number (optional)",
        "    reads admin /run/gw.sock",
        "    reads /proc/7",
        "  Number (optional)",
        "    reads admin /run/gw.sock",
        "    reads /proc/7",
    ]
    assert "nothing: the target 'here' does not name" in list(plan([two(FAIL, GIVE)], Endpoint(name="here")))[2]
    assert "cannot be loaded" in list(plan(load(make({"host.two": "no"})), BOTH))[1]


def test_secrets_of_an_address_are_in_no_plan(two, make, source):
    (one,) = load(make({"host.two": source()}))
    endpoint = Endpoint(name="x", url="ws://u:CANARY@h/?t=CANARY", token="CANARY")
    assert collect.described(one.judge.needs[0].evidence.sources[0], endpoint) == (
        "the number of ws://[redacted]@h/?t=[redacted]"
    )
