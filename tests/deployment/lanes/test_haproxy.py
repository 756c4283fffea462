"""HAProxy's Runtime API and the configuration, against the real program."""

import socket
import subprocess
import threading
from contextlib import contextmanager

import pytest

from plumbline.deployment.core.errors import InvalidError, UnavailableError
from plumbline.deployment.lanes.frontdoor import Address, FrontDoor, configuration
from plumbline.deployment.lanes.haproxy import Proxy

DOOR = FrontDoor(Address("::1", 8080), "/run/x.sock", "/run/x.state")


def test_the_configuration_is_one_that_haproxy_takes(front):
    done = subprocess.run(["haproxy", "-c", "-f", front.file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr


def test_nothing_is_sent_twice_by_the_configuration():
    text = configuration(DOOR, {"blue": [Address("127.0.0.1", 1)]})
    assert "    retries 0\n" in text
    assert "    no option redispatch\n" in text
    assert "bind [::1]:8080" in text
    assert "server blue1 127.0.0.1:1 disabled" in text


@pytest.mark.parametrize("groups", [{}, {"blue": []}, {"blue": [Address("h", 1)], "green": [Address("h", 1)]}])
def test_groups_without_addresses_of_their_own_are_refused(groups):
    with pytest.raises(InvalidError, match="an address of its own"):
        configuration(DOOR, groups)


def test_states_and_weights_are_set_and_read_back(front):
    proxy = front.proxy
    assert {server.state for server in proxy.servers("model").values()} == {"maint"}
    for state in ("ready", "drain", "maint"):
        proxy.set_state("model", ["blue1", "blue2"], state)
        assert [proxy.servers("model")[name].state for name in ("blue1", "blue2", "green1")] == [state, state, "maint"]
    proxy.set_weight("model", {"blue1": 17})
    proxy.set_weight("model", {})
    assert proxy.servers("model")["blue1"].weight == 17
    assert proxy.servers("model")["blue1"].pull == 0
    assert proxy.loads("model")["blue1"].sessions == 0


@pytest.mark.parametrize(
    ("say", "hears"),
    [
        (lambda proxy: proxy.set_state("model", ["red1"], "ready"), "No such server"),
        (lambda proxy: proxy.set_weight("model", {"blue1": 900}), "refused"),
        (lambda proxy: proxy.servers("nowhere"), "Can't find backend"),
        (lambda proxy: proxy.loads("nowhere"), "no backend 'nowhere'"),
    ],
)
def test_what_haproxy_refuses_is_an_error(say, hears, front):
    with pytest.raises(InvalidError, match=hears):
        say(front.proxy)


def test_a_proxy_that_is_not_there_is_unavailable(tmp_path):
    with pytest.raises(UnavailableError, match="No such file"):
        Proxy(tmp_path / "none.sock").servers("model")


@contextmanager
def answering(path, text):
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def run():
            link, _ = listening.accept()
            with link:
                link.recv(4096)
                if text is None:
                    link.recv(4096)  # says nothing until the other gives up
                else:
                    link.sendall(text.encode())

        thread = threading.Thread(target=run)
        thread.start()
        yield Proxy(path, timeout_s=0.2)
        thread.join()


def test_a_proxy_that_says_nothing_is_unavailable(tmp_path):
    with answering(tmp_path / "s", None) as proxy, pytest.raises(UnavailableError, match="no answer in time"):
        proxy.servers("model")


def test_a_state_file_of_another_version_is_refused(tmp_path):
    with (
        answering(tmp_path / "s", "2\n# be_id something else\n") as proxy,
        pytest.raises(InvalidError, match="something else"),
    ):
        proxy.servers("model")
