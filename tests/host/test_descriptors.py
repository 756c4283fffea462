"""Descriptors are counted as the kernel counts them, against the limits of that very process."""

import os
import resource
import socket
import subprocess
import sys
import types

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.evidence import Endpoint, UnavailableError
from plumbline.host import descriptors
from plumbline.host.descriptors import FileDescriptors, count, limits, read

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
LIMITS = (
    "Limit                     Soft Limit           Hard Limit           Units     \n"
    "Max processes             95                   unlimited            processes \n"
    "Max open files            {:<20} {:<20} files     \n"
    "Max locked memory         8388608              8388608              bytes     \n"
)
numbers = st.integers(min_value=0, max_value=2**63)


def of_me() -> FileDescriptors:
    return read(Endpoint("me", pid=os.getpid()))


@given(soft=numbers | st.none(), hard=numbers | st.none())
def test_the_limits_file_gives_back_the_limits_it_was_written_with(soft, hard):
    words = ["unlimited" if limit is None else limit for limit in (soft, hard)]
    assert limits(LIMITS.format(*words)) == (soft, hard)


def test_a_limits_file_without_the_line_gives_no_limit():
    assert limits("Limit  Soft Limit  Hard Limit  Units\n") == (None, None)


@linux
def test_every_further_descriptor_is_counted_once_and_under_its_kind():
    before = of_me()
    left, right = socket.socketpair()
    reading, writing = os.pipe()
    with left, right, open(__file__, "rb"):  # noqa: PTH123 - a descriptor is wanted
        after = of_me()
    os.close(reading)
    os.close(writing)
    assert after.open - before.open == 5
    assert (after.sockets - before.sockets, after.files - before.files, after.others - before.others) == (2, 1, 2)


@linux
def test_the_limits_are_those_of_the_process_not_ours():
    child = subprocess.Popen(
        [sys.executable, "-c", "import resource; resource.setrlimit(7, (64, 128)); print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with child:
        child.stdout.readline()
        evidence = read(Endpoint("child", pid=child.pid))
        child.communicate(b"\n")
    assert (evidence.soft_limit, evidence.hard_limit) == (64, 128)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) != (64, 128)


@linux
def test_a_socket_whose_peer_hung_up_is_in_close_wait_until_we_close_it():
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        ours, _ = server.accept()
        with ours:
            before = of_me().close_wait
            client.close()
            assert ours.recv(1) == b""  # the end has arrived
            assert of_me().close_wait == before + 1
        assert of_me().close_wait == before


@linux
def test_a_process_that_is_gone_cannot_be_reached():
    child = subprocess.Popen(["/bin/true"])
    child.wait()
    with pytest.raises(UnavailableError, match=f"no process {child.pid}") as caught:
        read(Endpoint("gone", pid=child.pid))
    assert caught.value.reason == "unreachable"


def test_a_target_without_a_pid_is_not_configured():
    with pytest.raises(UnavailableError, match="pid:1234") as caught:
        read(Endpoint("url only", url="ws://example.org"))
    assert caught.value.reason == "not_configured"


def test_an_old_kernel_that_gives_no_size_is_counted_by_listing(tmp_path):
    for name in range(3):
        (tmp_path / str(name)).touch()

    class Old(type(tmp_path)):
        def stat(self, **_):
            return types.SimpleNamespace(st_size=0)

    assert count(Old(tmp_path)) == 3


def fake_process(root, *, comm="nginx"):
    home = root / "7"
    (home / "fd").mkdir(parents=True)
    (home / "comm").write_text(f"{comm}\n")
    (home / "limits").write_text(LIMITS.format(1024, "unlimited"))
    return home


def test_a_masked_proc_leaves_out_the_machine_and_keeps_the_process(tmp_path):
    fake_process(tmp_path)
    evidence = descriptors._from_proc(7, tmp_path)
    assert (evidence.process, evidence.soft_limit, evidence.hard_limit) == ("nginx", 1024, None)
    assert (evidence.host_open, evidence.host_limit) == (None, None)


def test_the_machine_wide_numbers_come_from_file_nr(tmp_path):
    fake_process(tmp_path)
    (tmp_path / "sys/fs").mkdir(parents=True)
    (tmp_path / "sys/fs/file-nr").write_text("2112\t0\t9223372036854775807\n")
    evidence = descriptors._from_proc(7, tmp_path)
    assert (evidence.host_open, evidence.host_limit) == (2112, 9223372036854775807)


def test_a_stranger_is_told_how_many_but_not_what_they_are(tmp_path, monkeypatch):
    fake_process(tmp_path)

    def refuse(_):
        raise PermissionError

    monkeypatch.setattr(os, "scandir", refuse)
    evidence = descriptors._from_proc(7, tmp_path)
    assert evidence.open > 0
    assert (evidence.sockets, evidence.files, evidence.others, evidence.close_wait) == (None, None, None, None)


def test_a_descriptor_closed_during_the_count_is_left_out(tmp_path):
    home = fake_process(tmp_path)
    (home / "fd/3").symlink_to(tmp_path / "gone")
    (home / "fd/4").symlink_to(__file__)
    evidence = descriptors._from_proc(7, tmp_path)
    assert (evidence.sockets, evidence.files, evidence.others) == (0, 1, 0)


def test_a_process_of_another_user_wants_permission(monkeypatch):
    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(descriptors, "_from_proc" if sys.platform == "linux" else "_from_psutil", refuse)
    with pytest.raises(UnavailableError, match="as root") as caught:
        of_me()
    assert caught.value.reason == "permission"


def test_without_proc_psutil_counts_and_only_our_own_limit_is_known(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    mine = of_me()
    assert (mine.soft_limit, mine.hard_limit) == (soft, hard)
    assert mine.open == psutil.Process().num_fds()
    assert mine.sockets is None
    other = read(Endpoint("parent", pid=os.getppid()))
    assert (other.soft_limit, other.hard_limit) == (None, None)


@pytest.mark.parametrize(
    ("error", "reason"), [(psutil.NoSuchProcess(7), "unreachable"), (psutil.AccessDenied(7), "permission")]
)
def test_psutil_failures_become_reasons(monkeypatch, error, reason):
    def refuse(*_):
        raise error

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(psutil, "Process", refuse)
    with pytest.raises(UnavailableError) as caught:
        read(Endpoint("other", pid=7))
    assert caught.value.reason == reason


def test_the_source_says_what_it_reads_for_the_plan():
    (source,) = FileDescriptors.sources
    assert source.needs == {"pid"}
    assert "/proc/7/fd" in source.reads.format(pid=7)
