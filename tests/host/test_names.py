"""Name servers are asked over real sockets on loopback, and what a lookup costs with them is judged."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.evidence import Endpoint, UnavailableError
from plumbline.host import dnsprobe, names
from plumbline.host.names import NameResolution, NameServer, read

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
PATIENCE_S = 0.3
Reply = Callable[[dns.message.Message], bytes | None]


def known(*there: str, rcode: dns.rcode.Rcode = dns.rcode.NXDOMAIN) -> Reply:
    """A name server that knows these names; all others get `rcode`."""

    def reply(question: dns.message.Message) -> bytes:
        answer = dns.message.make_response(question)
        name = question.question[0].name
        if name.to_text() not in there:
            answer.set_rcode(rcode)
        elif question.question[0].rdtype.name == "A":
            answer.answer.append(dns.rrset.from_text(name, 1, "IN", "A", "127.0.0.1"))
        return answer.to_wire()

    return reply


@contextmanager
def server(reply: Reply, address: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """A name server; None: it says nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.bind((address, port))

        def serve() -> None:
            while True:
                packet, caller = channel.recvfrom(4096)
                if packet == b"end":
                    return
                told = reply(dns.message.from_wire(packet))
                if told is not None:
                    channel.sendto(told, caller)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield channel.getsockname()[1]
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
                end.sendto(b"end", channel.getsockname())
            thread.join()


def silent(_question: dns.message.Message) -> None:
    return None


@linux
def test_each_server_is_asked_for_itself_and_only_the_silent_one_is_silent() -> None:
    with server(known("a.lab.")) as port, server(silent, "127.0.0.2", port):
        found = dnsprobe.ask(["127.0.0.1", "127.0.0.2", "127.0.0.3"], "a.lab.", "A", PATIENCE_S, port)
    good, hung, absent = found
    assert (len(good.times_s), good.refused, good.rcode) == (dnsprobe.QUESTIONS, False, "NOERROR")
    assert good.median_s is not None
    assert (hung.times_s, hung.refused, hung.median_s) == ([], False, None)
    assert (absent.times_s, absent.refused) == ([], True)


def test_a_name_that_does_not_exist_is_an_answer() -> None:
    with server(known()) as port:
        (found,) = dnsprobe.ask(["127.0.0.1"], ".", "NS", 5.0, port)
        assert (len(found.times_s), found.rcode) == (dnsprobe.QUESTIONS, "NXDOMAIN")


def test_an_answer_that_nobody_understands_is_one_all_the_same_and_a_strangers_is_none() -> None:
    with server(lambda _question: b"\0") as port:
        (odd,) = dnsprobe.ask(["127.0.0.1"], ".", "NS", 5.0, port)
        assert len(odd.times_s) == dnsprobe.QUESTIONS
        assert dnsprobe.exists("127.0.0.1", "a.", 5.0, port) is None

    def stranger(question: dns.message.Message) -> bytes:
        question.flags |= dns.flags.QR
        question.id ^= 1
        return question.to_wire()

    with server(stranger) as port:
        (found,) = dnsprobe.ask(["127.0.0.1"], ".", "NS", PATIENCE_S, port)
        assert found.times_s == []


def test_an_address_without_a_route_or_family_counts_as_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = dnsprobe.ask(["255.255.255.255"], ".", "NS", PATIENCE_S)
    assert found.refused

    def none(*_: object) -> socket.socket:
        raise OSError("Address family not supported by protocol")

    with monkeypatch.context() as patched:
        patched.setattr(socket, "socket", none)
        asked = dnsprobe.Asked("::1")
        dnsprobe._send(None, asked, dns.message.make_query(".", "NS"), 53)  # type: ignore[arg-type] # not reached
    assert asked.refused


def test_a_name_exists_if_it_has_an_address() -> None:
    with server(known("a.lab.")) as port:
        assert dnsprobe.exists("127.0.0.1", "a.lab.", 5.0, port) is True
        assert dnsprobe.exists("127.0.0.1", "b.lab.", 5.0, port) is False


def machine(root: Path, text: str) -> Endpoint:
    (root / "etc").mkdir()
    (root / "etc/resolv.conf").write_text(text)
    return Endpoint("here")


def asking(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """Ask another port than 53, and with less patience."""
    ask, exists = dnsprobe.ask, dnsprobe.exists
    monkeypatch.setattr(dnsprobe, "ask", partial(ask, port=port))
    monkeypatch.setattr(dnsprobe, "exists", partial(exists, port=port))
    monkeypatch.setattr(names, "PATIENCE_S", PATIENCE_S)


@linux
def test_a_silent_first_server_costs_its_time_out_in_every_lookup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = machine(tmp_path, "nameserver 127.0.0.2\nnameserver 127.0.0.1\noptions timeout:3\n")
    with server(known()) as port, server(silent, "127.0.0.2", port):
        asking(monkeypatch, port)
        found = read(endpoint, tmp_path)
    assert [one.silent for one in found.servers] == [True, False]
    assert found.first == found.servers[1]
    assert 3.0 <= found.lookup_s < 3.0 + PATIENCE_S
    assert (found.tried, found.getaddrinfo_s) == (1, None)


def test_search_domains_multiply_and_the_targets_name_is_really_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(tmp_path, "nameserver 127.0.0.1\nsearch x.lab y.lab z.lab\noptions ndots:5\n")
    with server(known("db.y.lab.")) as port:
        asking(monkeypatch, port)
        outside = read(Endpoint("here", url="http://127.0.0.1:1/"), tmp_path)
        short = read(Endpoint("here", url="http://db:8080/"), tmp_path)
        nowhere = read(Endpoint("here", url="http://nowhere/"), tmp_path)
    assert (outside.tried, short.tried, nowhere.tried) == (4, 2, 4)


def test_servers_that_fail_are_asked_and_none_of_them_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(tmp_path, "nameserver 127.0.0.1\n")
    with server(known(rcode=dns.rcode.SERVFAIL)) as port:
        asking(monkeypatch, port)
        found = read(Endpoint("here", url="http://db/"), tmp_path)
    assert found.first is None
    assert found.servers[0].answered == dnsprobe.QUESTIONS


def test_this_machines_own_resolver_is_timed_if_it_reads_the_same_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [])
    assert (names._timed("db") or 1.0) < names.PATIENCE_S
    held = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: held.wait())
    monkeypatch.setattr(names, "PATIENCE_S", 0.05)
    assert names._timed("db") == 0.05
    held.set()


@linux
def test_a_missing_or_closed_file_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnavailableError, match=r"there is no .*resolv\.conf") as error:
        read(Endpoint("lab", pid=42), tmp_path)
    assert error.value.reason == "unreachable"

    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(UnavailableError, match="may not be read"):
        read(Endpoint("lab", pid=42), tmp_path)


@linux
def test_a_process_in_another_network_with_the_hosts_file_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "_elsewhere", lambda _pid: True)
    with pytest.raises(UnavailableError, match="not meant for it") as error:
        NameResolution.sources[0].read(Endpoint("lab", pid=os.getpid()))
    assert error.value.reason == "not_configured"


def test_elsewhere_than_on_linux_all_processes_share_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(tmp_path, "nameserver 127.0.0.1\n")
    monkeypatch.setattr(sys, "platform", "darwin")
    with server(known()) as port:
        asking(monkeypatch, port)
        assert read(Endpoint("here", pid=42), tmp_path).first is not None


@linux
def test_this_process_is_in_the_network_of_its_parent_and_a_lost_one_is_nowhere() -> None:
    assert not names._elsewhere(os.getpid())
    assert not names._elsewhere(1 << 30)
    with pytest.raises(UnavailableError, match="is gone"):
        NameResolution.sources[1].read(Endpoint("lab", pid=1))
    assert not names._same(Path("/nowhere"), Path("/nowhere/else"))


@linux
def test_the_servers_of_a_process_are_asked_from_its_network(monkeypatch: pytest.MonkeyPatch) -> None:
    entered: list[int] = []

    def inside(pid: int, work: Callable[[], NameResolution]) -> NameResolution:
        entered.append(pid)
        return work()

    monkeypatch.setattr(names, "inside", inside)
    monkeypatch.setattr(dnsprobe, "ask", lambda servers, *_: [dnsprobe.Asked(one, [0.01]) for one in servers])
    found = NameResolution.sources[0].read(Endpoint("here", pid=os.getpid()))
    assert entered == [os.getpid()]
    assert found.first is not None


servers = st.builds(
    NameServer,
    address=st.just("10.0.0.1"),
    asked=st.just(3),
    answered=st.integers(0, 3),
    refused=st.booleans(),
    median_s=st.floats(0, 1.5),
    rcode=st.sampled_from(["NOERROR", "NXDOMAIN", "SERVFAIL"]),
)


@given(
    found=st.lists(servers, min_size=1, max_size=3), tried=st.integers(1, 7), rotate=st.booleans(),
    timeout_s=st.floats(1, 30),
)  # fmt: skip
def test_more_names_never_cost_less_and_a_silent_server_never_helps(
    found: list[NameServer], tried: int, rotate: bool, timeout_s: float
) -> None:
    def lookup(servers: list[NameServer], tried: int) -> float:
        made = NameResolution("", tuple(servers), 0, 1, timeout_s, 2, rotate, tried, 1.5, None)
        return made.lookup_s

    hung = NameServer("10.0.0.9", 3, 0, False, None, "")
    assert lookup(found, tried) <= lookup(found, tried + 1) + 1e-9
    assert lookup(found, tried) <= lookup([hung, *found], tried) + 1e-9
