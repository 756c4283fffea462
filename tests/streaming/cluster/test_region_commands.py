"""Regions from the command line: configurations that servers take, and every command of the way home moves."""

import json

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from plumbline.cli.gateway import gateway
from plumbline.lab.parts.ports import free_port
from plumbline.streaming.cluster.nats_config import RegionServer, check_region
from plumbline.streaming.cluster.options import cluster_from, servers_of


def plumb(*words, code=0):
    done = CliRunner().invoke(gateway, words)
    assert done.exit_code == code, done.output
    return done.output


@pytest.fixture
def regions(nats):
    """Two servers whose configurations the command wrote."""

    def config(region, *more):
        def text(server):
            return plumb(
                "nats-config",
                f"--region={region}",
                f"--store={server.folder}/store",
                f"--listen=127.0.0.1:{server.port}",
                f"--monitor=127.0.0.1:{server.http}",
                *more,
            )

        return text

    leaf = free_port()
    a = nats(config=config("a", f"--leaf-listen=127.0.0.1:{leaf}", "--sync-always"))
    b = nats(config=config("b", f"--leaf-of=127.0.0.1:{leaf}"))
    return a, b


def joined(until, broker):
    def there():
        rows = json.loads(plumb("region", "show", "a", "b", f"--broker={broker}", "--json"))
        return all(row["role"] != "unreachable" for row in rows) and rows

    return until(there)


def test_regions_are_made_shown_moved_lost_and_taken_back(regions, until, tmp_path):
    a, b = regions
    assert "region a is home in term 1" in plumb("region", "create", "--region=a", f"--broker={a.url}")
    assert [row["role"] for row in joined(until, b.url)] == ["home", "absent"]
    assert "region b follows a" in plumb("region", "follow", "--region=b", "--of=a", f"--broker={b.url}")
    shown = plumb("region", "show", "a", "b", f"--broker={b.url}")
    assert "home" in shown
    assert "mirror" in shown
    a.kill()
    refused = plumb("region", "promote", "--region=b", f"--broker={b.url}", code=1)
    assert "does not answer" in refused
    promoted = plumb("region", "promote", "--region=b", "--lost", f"--broker={b.url}")
    assert "home in term 2" in promoted
    assert "recovered: false" in promoted
    a.start()
    joined(until, b.url)
    kept = tmp_path / "kept.jsonl"
    followed = plumb("region", "follow", "--region=a", "--of=b", f"--broker={b.url}", f"--salvage={kept}")
    assert "0 acknowledged messages that b never got: saved" in followed
    assert kept.read_text() == ""
    assert "home in term 3" in plumb("region", "promote", "--region=a", f"--broker={a.url}")
    assert "given up" in plumb("region", "follow", "--region=b", "--of=a", f"--broker={a.url}", "--discard")


def test_wrong_words_are_refused_in_a_sentence(nats):
    port = free_port()
    assert "no NATS server answers" in plumb("region", "show", "a", f"--broker=nats://127.0.0.1:{port}", code=1)
    assert "no broker" in plumb("region", "show", "a", "--broker=http://x", code=2)
    assert "no region's name" in plumb("region", "create", "--region=A.b", f"--broker={nats().url}", code=2)
    assert "no address" in plumb("nats-config", "--region=a", "--listen=here", code=2)
    assert "line break" in plumb("nats-config", "--region=a", '--store=a"b', code=2)


def test_the_options_of_a_cluster_fit_together():
    found = cluster_from("nats://a:1, nats://b:2", None, "eu", ("us",))
    assert (found.servers, found.region, found.peers) == (("nats://a:1", "nats://b:2"), "eu", ("us",))
    assert cluster_from("nats://a", None, None, ()).region == "main"
    assert cluster_from(None, None, None, ()) is None
    for options, words in (
        ((None, None, "eu", ()), "belong to --broker"),
        (("nats://a", None, None, ("us",)), "needs a name too"),
        (("nats://a", None, "eu", ("eu",)), "this region itself"),
        ((" , ", None, None, ()), "names no server"),
        (("nats://a:99999", None, None, ()), "is no broker"),
    ):
        with pytest.raises(ValueError, match=words):
            cluster_from(*options)


def test_a_password_is_not_shown_when_an_address_is_refused():
    with pytest.raises(ValueError, match="is no broker") as failed:
        servers_of("https://ann:secret@host:1")
    assert "secret" not in str(failed.value)


@given(st.from_regex(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", fullmatch=True))
def test_a_regions_name_stands_in_its_configuration(name):
    assert f'domain: "{check_region(name)}"' in RegionServer(name, "/var/lib/nats").text()
