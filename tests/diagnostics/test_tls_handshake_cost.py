"""`streaming.tls-handshake-cost`: time spent in handshakes is critical, and the key or the tickets say why."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.diagnosis import Status
from plumbline.streaming.evidence_tls import TlsHandshakes, TlsLoad

ID = "streaming.tls-handshake-cost"


def seen(kind="ECDSA", bits=256, *, full=0.0020, resumed=0.0010, refused=""):
    return TlsHandshakes(
        key_type=kind,
        key_bits=bits,
        version="TLSv1.3",
        connect_s=0.0001,
        full_s=full,
        resumed_s=resumed,
        reference_s=0.00002,
        expires_in_s=1e6,
        refused_because=refused,
    )


def load(busy, *, full=100, resumed=0):
    return TlsLoad(full=full, resumed=resumed, failed=0, busy_ratio=busy, window_s=1.0)


@pytest.fixture(scope="module")
def tls(judge):
    return judge(ID)


def test_a_short_key_and_little_time_in_handshakes_is_ok(tls):
    finding = tls(seen(), load(0.05))
    assert finding.status is Status.OK
    assert finding.sentence == (
        "Handshakes take 5 % of the time (limit 30 %): 100 a second in full, 0 resumed in 1.0 s; "
        "the key is ECDSA with 256 bits; a full handshake takes 50 local ECDSA signatures longer than a resumed one."
    )


def test_a_long_rsa_key_is_a_warning_before_anybody_comes_and_critical_when_they_do(tls):
    quiet, stormy = tls(seen("RSA", 4096), load(0.0)), tls(seen("RSA", 4096), load(0.9))
    assert [(one.status, one.cause) for one in (quiet, stormy)] == [
        (Status.WARNING, "dear-key"),
        (Status.CRITICAL, "dear-key"),
    ]


@pytest.mark.parametrize(("resumed", "cause"), [(0, "no-resumption"), (400, "handshake-rate")])
def test_a_cheap_key_that_is_busy_all_the_same_is_told_by_what_is_resumed(tls, resumed, cause):
    assert tls(seen(), load(0.5, resumed=resumed)).cause == cause


def test_an_rsa_key_without_tickets_is_a_warning_and_with_tickets_it_is_not(tls):
    assert tls(seen("RSA", 2048, resumed=None), None).cause == "no-resumption"
    assert tls(seen("RSA", 2048), None).status is Status.OK


def test_an_expired_certificate_is_said_and_is_another_problem(tls):
    finding = tls(seen(refused="certificate has expired"), None)
    assert finding.status is Status.OK
    assert "refuse the certificate (certificate has expired), which is another problem" in finding.sentence


def test_a_server_without_tls_spends_nothing_in_it(tls):
    assert tls(None, load(0.0, full=0)).status is Status.OK


def test_what_a_busy_servers_handshake_takes_is_not_called_its_cost(tls):
    assert "cost" not in {measure.name for measure in tls(seen(), load(0.9)).measures}


@given(st.floats(0, 4), st.integers(0, 500), st.integers(0, 500), st.sampled_from([256, 2048, 4096]))
def test_every_red_finding_names_a_declared_cause(tls, declared_causes, busy, full, resumed, bits):
    kind = "ECDSA" if bits == 256 else "RSA"
    finding = tls(seen(kind, bits), load(busy, full=full, resumed=resumed))
    assert finding.status.red == (finding.cause in declared_causes(ID))
