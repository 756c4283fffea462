"""How long a mirror has been silent, and where that shows."""

from dataclasses import replace

from plumbline.streaming.cluster.hearing import Hearing
from plumbline.streaming.cluster.streams import Copy
from plumbline.streaming.server.metrics import BROKER_COUNTERS, BROKER_GAUGES, HISTOGRAMS, LABELLED, Metrics

MIRROR = Copy("west", "east", 1, 1, "line", True, False, "then", 9, 0, 0.5, {})


def test_silence_grows_from_when_home_was_last_heard():
    hearing = Hearing()
    assert hearing.silent_s(100.0) is None
    hearing.note(MIRROR, 100.0)
    assert hearing.silent_s(110.0) == 10.5
    hearing.note(replace(MIRROR, active_s=0.0), 110.0)
    assert hearing.silent_s(110.0) == 0.0


def test_a_mirror_whose_server_has_restarted_goes_on_being_silent():
    hearing = Hearing()
    hearing.note(MIRROR, 100.0)
    hearing.note(replace(MIRROR, active_s=-1.0), 120.0)
    assert hearing.silent_s(120.0) == 20.5
    fresh = Hearing()
    fresh.note(replace(MIRROR, active_s=-1.0), 100.0)
    assert fresh.silent_s(130.0) == 30.0


def test_home_is_never_silent():
    hearing = Hearing()
    hearing.note(MIRROR, 100.0)
    hearing.note(replace(MIRROR, mirror=False, active_s=None), 110.0)
    assert hearing.silent_s(500.0) is None


def test_a_brokers_counters_are_metrics():
    names = [name for name, _ in (*BROKER_GAUGES.values(), *BROKER_COUNTERS.values())]
    stats = {"connected": True, "copy_silent_s": 7.5, "reconnects": 3, "live_gaps": 2}
    collector = Metrics(nothing, lambda: stats)._registry
    assert collector.get_sample_value("plumbline_gateway_broker_connected") == 1.0
    assert collector.get_sample_value("plumbline_gateway_broker_copy_silent_seconds") == 7.5
    assert collector.get_sample_value("plumbline_gateway_broker_live_gaps_total") == 2.0
    assert collector.get_sample_value("plumbline_gateway_broker_publish_collisions_total") == 0.0
    assert len(names) == 6


class _Zeroes(dict):
    """Counters of a gateway in which nothing has happened."""

    def __missing__(self, key):
        if any(key == one for one, _ in HISTOGRAMS):
            return {"+Inf": 0}
        return {} if key in LABELLED else 0


def nothing():
    return _Zeroes()
