"""A gateway whose region is gone sends its clients away, lets nobody in, and takes them again when it is back."""

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from plumbline.streaming.client.verdict import of_close
from plumbline.streaming.cluster.absence import Absence
from plumbline.streaming.core.local import LocalBroker
from plumbline.streaming.core.settings import Settings

QUICK = {"region_patience_s": 0.1, "drain_s": 0.1}


class Region(LocalBroker):
    """A broker in this process that has a word for being gone."""

    def __init__(self):
        super().__init__(Settings(), "e", lambda: 0.0)
        self.gone = None

    def __bool__(self):
        return True  # also while it has no channels

    def gone_s(self):
        return self.gone


@pytest.fixture
def region():
    return Region()


def code_of(link):
    with pytest.raises(ConnectionClosed) as ended:
        link.recv(timeout=20)
    return ended.value.rcvd.code


def test_clients_of_a_region_that_is_gone_are_sent_away_and_new_ones_refused_until_it_is_back(
    start, client, until, region
):
    gateway = start(broker=region, settings=QUICK)
    links = [client(gateway) for _ in range(5)]
    region.gone = 0.05  # it blinks: nobody is sent away for that
    assert links[0].ask(ping=1)
    region.gone = 0.2
    assert {code_of(one.link) for one in links} == {4014}

    def refused():
        with pytest.raises(InvalidStatus) as failed:
            client(gateway)
        return failed.value.response

    response = refused()
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) >= 1
    region.gone = None

    def let_in():
        try:
            return client(gateway)
        except InvalidStatus:
            return None

    assert until(let_in).ask(ping=2)
    assert gateway.stats["closes"]["region-gone"] == 5
    assert gateway.stats["rejected"]["region-gone"] >= 1


def test_who_has_not_gone_yet_stays_when_the_region_is_back(start, client, until, region):
    gateway = start(broker=region, settings=QUICK | {"drain_s": 3600.0})
    links = [client(gateway) for _ in range(3)]
    region.gone = 1.0

    def refused():
        try:
            client(gateway)
        except InvalidStatus:
            return True
        return False

    until(refused)
    region.gone = None
    until(lambda: not refused())
    gateway.set(drain_s=0.1)
    assert all(one.ask(ping=1) for one in links)
    assert "region-gone" not in gateway.stats["closes"]


def test_with_no_patience_set_nobody_is_sent_away(start, client, until, region):
    gateway = start(broker=region, settings={"region_patience_s": 0})
    region.gone = 1e6
    link = client(gateway)
    before = gateway.stats["pings"]
    gateway.set(heartbeat_interval_s=0.05)
    until(lambda: gateway.stats["pings"] > before)  # the timer that would have sent it away has rung
    assert link.ask(ping=1)


def test_a_client_tries_another_address_first_and_comes_back_to_this_one():
    verdict = of_close(4014, "")
    assert (verdict.again, verdict.blame) == (True, True)
    assert not of_close(4012, "").blame


def test_an_absence_lasts_from_its_first_reason_to_its_last():
    absence = Absence()
    assert absence.seconds(5.0) is None
    absence.note("lost", 10.0, holds=True)
    absence.note("lost", 12.0, holds=True)
    absence.note("fenced", 13.0, holds=True)
    assert absence.seconds(14.0) == 4.0
    absence.note("lost", 15.0, holds=False)
    assert absence.seconds(16.0) == 3.0
    absence.note("fenced", 17.0, holds=False)
    assert absence.seconds(18.0) is None
