"""Confinement, tried on a thread of this process: Landlock binds a thread, so the test survives it."""

import os
import resource
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from plumbline.diagnosis import confine
from plumbline.evidence import UnavailableError

LANDLOCK = pytest.mark.skipif(not confine.landlock_abi(), reason="this kernel has no Landlock")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="a facility of the Linux kernel")


def _in_thread(work):
    outcome = []

    def run():
        try:
            outcome.append(work())
        except OSError as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return outcome[0]


@LANDLOCK
def test_landlock_refuses_writing_and_lets_reading_be(tmp_path):
    (tmp_path / "old").write_text("content")

    def work():
        assert confine.write_nowhere()
        return (tmp_path / "old").read_text(), (tmp_path / "new").write_text("x")

    assert isinstance(_in_thread(work), PermissionError)
    assert not (tmp_path / "new").exists()
    (tmp_path / "new").write_text("this thread is free")


@LANDLOCK
def test_landlock_lets_a_process_write_to_the_null_device_and_connect_to_sockets(tmp_path):
    import socket

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "admin.sock"))
        listener.listen()

        def work():
            assert confine.write_nowhere()
            with Path(os.devnull).open("w") as null, socket.socket(socket.AF_UNIX) as client:
                client.connect(str(tmp_path / "admin.sock"))
                return null.write("x")

        assert _in_thread(work) == 1


def test_a_kernel_without_landlock_is_told_so(monkeypatch):
    monkeypatch.setattr(confine, "landlock_abi", lambda: 0)
    assert confine.write_nowhere() is False


def test_limits_bind_the_process_for_good():
    code = (
        "from plumbline.diagnosis import confine; import resource as r, tempfile, os\n"
        "f = tempfile.TemporaryFile(buffering=0)\n"
        "confine.limit_resources(memory_bytes=1 << 31); confine.gain_nothing(); confine.die_with_parent()\n"
        "print(r.getrlimit(r.RLIMIT_FSIZE), r.getrlimit(r.RLIMIT_CORE))\n"
        "try: f.write(b'x')\n"
        "except OSError as e: print(e.strerror)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == ["(0, 0) (0, 0)", "File too large"]


def test_limits_never_exceed_what_the_process_may_have(monkeypatch):
    asked = {}
    monkeypatch.setattr(resource, "getrlimit", lambda which: (0, 4096 if which == resource.RLIMIT_AS else -1))

    def refuse_some(which, limits):
        asked[which] = limits
        if which == resource.RLIMIT_CORE:
            raise ValueError("as macOS does")

    monkeypatch.setattr(resource, "setrlimit", refuse_some)
    confine.limit_resources(memory_bytes=8192)
    assert asked == {resource.RLIMIT_FSIZE: (0, 0), resource.RLIMIT_CORE: (0, 0), resource.RLIMIT_AS: (4096, 4096)}


@pytest.mark.parametrize(
    ("event", "arguments", "judging"),
    [
        ("open", ("/tmp/x", "w", os.O_WRONLY | os.O_CREAT), False),
        ("open", (b"/tmp/x", None, os.O_RDWR), False),
        ("os.remove", ("/tmp/x", -1), False),
        ("os.rename", ("a", "b", -1, -1), True),
        ("socket.connect", (None, ("127.0.0.1", 1)), True),
        ("subprocess.Popen", ("sh", [], None, None), True),
        ("sqlite3.connect", ("/srv/registry.db",), False),
        ("sqlite3.connect", ("file:///srv/registry.db?mode=rw",), False),
        ("sqlite3.connect", ("file:///srv/registry.db?mode=ro",), True),
    ],
)
def test_the_hook_refuses_what_changes_anything(event, arguments, judging):
    with pytest.raises(confine.ForbiddenError, match="a diagnostic"):
        confine.forbidder(judging=lambda: judging)(event, arguments)


@pytest.mark.parametrize(
    ("event", "arguments", "judging"),
    [
        ("open", ("/etc/hosts", "r", os.O_RDONLY | os.O_CLOEXEC), True),
        ("open", (os.devnull, "w", os.O_WRONLY), True),
        ("open", (3, "w", os.O_WRONLY), True),
        ("open", ("/proc/self/stat", None, None), True),
        ("socket.connect", (None, ("127.0.0.1", 1)), False),
        ("sqlite3.connect", ("file:///srv/registry.db?mode=ro&immutable=1",), False),
        ("import", ("json", None, None, None, None), True),
    ],
)
def test_the_hook_lets_reading_be_and_lets_sources_connect(event, arguments, judging):
    assert confine.forbidder(judging=lambda: judging)(event, arguments) is None


@LINUX
def test_the_own_network_needs_no_entering():
    confine.enter_network_of(os.getpid())
    assert Path("/proc/self/ns/net").readlink() == Path(f"/proc/{os.getppid()}/ns/net").readlink()


@LINUX
def test_a_namespace_that_cannot_be_entered_is_no_permission(monkeypatch):
    monkeypatch.setattr(confine, "_differing", lambda pid: [("pid", 0x40000000)])  # a pid namespace is no network
    with pytest.raises(UnavailableError, match="the pid namespace of process") as caught:
        confine.enter_network_of(os.getpid())
    assert caught.value.reason == "permission"


@LINUX
def test_another_users_namespace_is_no_permission(monkeypatch):
    def refuse(pid):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(confine, "_differing", refuse)
    with pytest.raises(UnavailableError, match="belongs to another user"):
        confine.enter_network_of(1)


def test_elsewhere_than_on_linux_there_is_no_namespace_and_no_landlock(monkeypatch):
    monkeypatch.setattr(confine.sys, "platform", "darwin")
    assert confine.landlock_abi() == 0
    with pytest.raises(UnavailableError) as caught:
        confine.enter_network_of(1)
    assert caught.value.reason == "unsupported_platform"
