"""A home whose stream was deleted and made anew: its mirror does not go on as if nothing had happened."""

import pytest
from cluster.natslab import eventually
from cluster.twolab import BOTH, LIMITS
from contracts.broker import ask, fill

from plumbline.streaming.cluster import regions
from plumbline.streaming.cluster.regions import RegionError, follow, promote, states
from plumbline.streaming.core.broker import BrokerError


async def made_anew(both):
    """Fill home, let the mirror have it, then delete home's stream and make another; return what was acknowledged."""
    home, _ = await both.broker("a")
    old = await fill(home, "c", 5)
    await both.level()
    await both.at_a.api("STREAM.DELETE.PLUMBLINE")
    await regions.create(both.at_a, "a", LIMITS)
    return home, old


async def filled(broker, channel, count, first):
    """Publish when the broker has noticed its new stream."""

    async def stored():
        try:
            return await fill(broker, channel, 1, first=first)
        except BrokerError:
            return None

    return await eventually(stored) + await fill(broker, channel, count - 1, first=first + 1)


def test_the_mirror_is_shown_as_strayed_its_gateway_says_so_and_following_anew_saves_what_only_it_has(scene):
    async def test(both):
        mirror, told = await both.broker("b")
        home, old = await made_anew(both)
        new = await filled(home, "c", 3, 100)
        assert new[0].epoch != old[0].epoch
        assert await both.roles(both.at_b) == ["home", "strayed"]
        await told.until(lambda: told.interruptions)
        await eventually(lambda: mirror.fenced is not None)
        with pytest.raises(BrokerError, match="a stream of region a that is no more") as failed:
            await ask(mirror.past, "c", old[0], 10)
        assert failed.value.code == "unavailable"
        assert mirror.gone_s() is not None  # its clients go where there is something
        with pytest.raises(RegionError, match="holds 5 acknowledged messages that a never got"):
            await follow(both.at_b, "b", "a")
        kept = []
        await follow(both.at_b, "b", "a", keep=kept)
        assert [(one.epoch, one.offset, one.data) for one in kept] == [
            (position.epoch, position.offset, b"%d" % number) for number, position in enumerate(old)
        ]
        assert await both.roles(both.at_b) == ["home", "mirror"]
        await eventually(lambda: mirror.fenced is None)
        past = await ask(mirror.past, "c", new[0], 10)
        assert [entry.data for entry in past.entries] == [b"101", b"102"]

    scene(test)


def test_the_mirror_may_be_made_home_instead_and_what_the_new_stream_took_is_saved(scene):
    async def test(both):
        mirror, _ = await both.broker("b")
        home, old = await made_anew(both)
        await filled(home, "d", 2, 100)
        with pytest.raises(RegionError, match="is no more"):
            await promote(both.at_b, "b", lost=False)
        await promote(both.at_b, "b", lost=True)
        await eventually(lambda: mirror.fenced is None)
        entries = (await ask(mirror.past, "c", None, 10)).entries
        assert [entry.offset for entry in entries] == [position.offset for position in old]
        assert await both.roles(both.at_b) == ["overtaken", "home"]
        kept = []
        await follow(both.at_b, "a", "b", keep=kept)
        assert [(one.channel, one.data) for one in kept] == [("d", b"100"), ("d", b"101")]
        assert await both.roles(both.at_b) == ["mirror", "home"]

    scene(test)


def test_a_home_made_anew_is_not_sealed_by_a_mirror_of_a_later_term(scene):
    async def test(both):
        await promote(both.at_b, "b", lost=False)
        await follow(both.at_b, "a", "b")
        await promote(both.at_a, "a", lost=False)
        await follow(both.at_a, "b", "a")  # home is a again, in term 3
        mirror, _ = await both.broker("b")
        home, _ = await made_anew(both)  # ... and in term 1
        assert await both.roles(both.at_b) == ["home", "strayed"]
        await eventually(lambda: mirror.fenced is not None)
        await filled(home, "c", 1, 100)
        assert home.fenced is None
        assert (await states(both.at_b, BOTH))[0].role == "home"

    scene(test)
