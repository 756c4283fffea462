import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from plumbline.diagnosis.redact import MARK, MAX_CHARACTERS, RULES, Redactor, secrets_of, text
from plumbline.evidence import Endpoint, ProbeChannel

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\nCANARY\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("secret", "clean"),
    [
        ("wss://bob:CANARY@feed.example:443/ws ok", "wss://[redacted]@feed.example:443/ws ok"),
        ("postgres://u:CANARY@h/db", "postgres://[redacted]@h/db"),
        ("ws://h/ws?channel=CANARY&token=CANARY#x=CANARY", f"ws://h/ws?channel={MARK}&token={MARK}"),
        ("ws://h/ws?CANARY next", f"ws://h/ws?{MARK} next"),
        ("https://h/cb#access_token=CANARY", f"https://h/cb#access_token={MARK}"),
        ('"GET /ws?token=CANARY HTTP/1.1" 101', f'"GET /ws?token={MARK} HTTP/1.1" 101'),
        ("Authorization: Bearer CANARY-123\nHost: h", f"Authorization: {MARK}\nHost: h"),
        ("{'Cookie': 'session=CANARY; b=CANARY'}", f"{{'Cookie': {MARK}"),
        ("x-api-key=CANARY", f"x-api-key= {MARK}"),
        ("sent bearer CANARY1234 there", f"sent bearer {MARK} there"),
        ("password=CANARY, user=bob", f"password={MARK}, user=bob"),
        ('{"api_key": "CANARY CANARY", "n": 1}', f'{{"api_key": "{MARK}", "n": 1}}'),
        ("DB_PASSWORD='CANARY x'", f"DB_PASSWORD='{MARK}'"),
        ("aws_secret_access_key = CANARY", f"aws_secret_access_key = {MARK}"),
        (f"jwt {JWT} end", f"jwt {MARK} end"),
        (f"key:\n{PEM}\nend", f"key:\n{MARK}\nend"),
        ("-----BEGIN PRIVATE KEY-----\nCANARY cut off", MARK),
        ("id AKIAIOSFODNN7EXAMPLE.", f"id {MARK}."),
        ("ghp_" + "a1" * 18, MARK),
        ("sk-" + "CANARY" * 5, MARK),
    ],
)
def test_secrets_of_every_shape_are_taken_out(secret, clean):
    assert text(secret) == clean


@pytest.mark.parametrize(
    ("private", "clean"),
    [
        ("mail ann.lee@example.org now", f"mail {MARK} now"),
        ("open /home/ann/app.log", f"open /home/{MARK}/app.log"),
        ("/Users/ann: denied", f"/Users/{MARK}: denied"),
        ("peer 10.20.30.40:5123 left", f"peer {MARK}:5123 left"),
        ("peer [2001:db8:0:1:2:3:4:5]:80 left", f"peer [{MARK}]:80 left"),
        ("ticket " + "a1B2" * 10, f"ticket {MARK}"),
    ],
)
def test_private_data_goes_only_from_what_leaves_the_machine(private, clean):
    assert text(private) == private
    assert Redactor(personal=True).text(private) == clean


@pytest.mark.parametrize(
    "plain",
    [
        "The queue of connection 17 is 93 % full (limit 80 %).",
        "Port 8000 dropped 12 connections in 1 s; at most 129 waited in a queue for 128.",
        "plumbline.gateway outbound queue full connection=c-17 queued_bytes=1048576 action=disconnect",
        "no lab is running; start one with 'plumb up' or 'plumb practice ID'",
        "2026-01-02T03:04:05.678Z 127.0.0.1:8000 accept failed: [Errno 24] Too many open files",
        "/sys/fs/cgroup/system.slice/gateway.service/memory.max",
        "https://docs.kernel.org/networking/ip-sysctl.html",
    ],
)
def test_ordinary_sentences_stay_as_they_are(plain):
    assert Redactor(personal=True).text(plain) == plain


def test_known_secrets_go_wherever_they_stand_and_short_ones_do_not_blank_out_words():
    redactor = Redactor(["open sesame", "ok", "redacted"])
    assert redactor.text("it said open sesame, ok") == f"it said {MARK}, ok"
    assert +redactor.counts == {"literal": 1}


def test_the_secrets_of_a_target_are_its_token_and_those_of_its_addresses():
    endpoint = Endpoint(name="x", url="ws://bob:p%40ss@h/?a=one&b=two", metrics="http://key@h/", token="tok")
    assert secrets_of(endpoint) == {"p%40ss", "p@ss", "one", "two", "key", "tok"}
    assert secrets_of(Endpoint(name="x")) == set()


def test_the_texts_of_a_channel_for_probes_may_hold_secrets():
    login = 'CONNECT {"auth_token":"s3cret-of-nats"}\r\nSUB probe 1\r\n'
    known = secrets_of(Endpoint(name="x", fanout=ProbeChannel('{"publish":"probe","data":"{probe}"}', login)))
    clean = Redactor(known).text
    assert "s3cret" not in clean(f"the server said: {login}") + clean("Authorization Violation: s3cret-of-nats")
    assert clean("every publisher and subscriber of probe") == "every publisher and subscriber of probe"
    assert secrets_of(Endpoint(name="x", fanout=ProbeChannel("{probe}"))) == set()


def test_counts_are_kept_by_rule_and_never_the_values():
    redactor = Redactor()
    redactor.text("password=a token=b ws://u:p@h/")
    assert +redactor.counts == {"key-value": 2, "url-user": 1}


def test_a_text_beyond_the_cap_is_cut():
    redactor = Redactor()
    cut = redactor.text("x " * MAX_CHARACTERS)
    assert len(cut) == MAX_CHARACTERS
    assert cut.endswith("[… cut]")
    assert redactor.text(cut) == cut
    assert redactor.counts["cut"] == 1


words = (
    "token password = : \" ' // :// ? & @ ws Bearer Cookie a.b x1 eyJabcdef.ghijkl /home/ / # [ ] redacted , ; _ - \\"
)
keys = "10.1.2.3 AKIAIOSFODNN7EXAMPLE a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1 [redacted]"
pieces = st.sampled_from([*words.split(), *keys.split(), " ", "\n", "-----BEGIN KEY-----", "-----END KEY-----"])


@settings(max_examples=400)
@given(st.lists(pieces | st.text(max_size=4), max_size=14).map("".join), st.booleans())
@example("token='[redacted]", True)
def test_redacting_twice_is_redacting_once(raw, personal):
    once = Redactor(["a.b-secret"], personal=personal).text(raw)
    assert Redactor(["a.b-secret"], personal=personal).text(once) == once


@given(st.text(alphabet="abcXYZ0123456789", min_size=8, max_size=30), st.sampled_from(range(5)))
def test_a_secret_behind_a_telling_word_never_survives(secret, shape):
    shapes = (
        "password={}", '"token": "{}"', "Authorization: Basic {}", "wss://user:{}@host/ws", "GET /x?code={} HTTP/1.1",
    )  # fmt: skip
    assert secret not in text(f"before {shapes[shape].format(secret)}").replace("before", "")


@pytest.mark.parametrize(
    "unit", ["a", "a@", "eyJ", "ws://", "token", "-", "?a=", "x.", "-----BEGIN A-----", "a1", "1.", ":a"]
)
def test_no_text_makes_redaction_slow(unit):
    def cost(size):
        raw = (unit * size)[:size]
        began = time.process_time()
        Redactor(personal=True).text(raw)
        return time.process_time() - began

    small, large = min(cost(8_000) for _ in range(3)), min(cost(64_000) for _ in range(2))
    assert large < 40 * small + 0.05  # eight times the text; a quadratic pattern would take sixty-four times


def test_every_rule_has_a_name_of_its_own():
    assert len({rule.name for rule in RULES}) == len(RULES)
