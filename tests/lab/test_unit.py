from __future__ import annotations

from pathlib import Path

import pytest

from plumbline.lab.fault import Topology
from plumbline.lab.keeper.unit import Unit, UnitError, read
from plumbline.lab.parts.host import toml
from plumbline.lab.parts.unit import STOP_S, unit


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)


def test_the_unit_of_a_topology_says_what_the_topology_says(tmp_path: Path) -> None:
    topology = Topology(nofile=64, memory_limit_bytes=1 << 28, restart_delay_s=0.5)
    write(tmp_path, "10-lab.conf", unit(topology))
    assert read(tmp_path) == Unit((64, 64), 1 << 28, 0.5, STOP_S)


def test_the_last_drop_in_by_name_has_the_last_word(tmp_path: Path) -> None:
    write(tmp_path, "20-b.conf", "[Service]\nLimitNOFILE=128:infinity\nRestartSec=500ms\nTimeoutStopSec=200ms\n")
    write(tmp_path, "10-a.conf", "[Service]\nLimitNOFILE=64\nMemoryMax=12M\nRestartSec=2s\n")
    write(tmp_path, "30-c.conf", "[Unit]\nDescription=nothing of ours\n")
    assert read(tmp_path) == Unit((128, -1), 12 << 20, 0.5, 0.2)


def test_no_drop_in_asks_for_nothing(tmp_path: Path) -> None:
    assert read(tmp_path) == Unit()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[Service]\nLimitNOFILE=many\n", "LimitNOFILE=many is no number"),
        ("[Service]\nMemoryMax=12Q\n", "MemoryMax=12Q is no number"),
        ("[Service]\nRestartSec=soon\n", "RestartSec=soon is no time"),
        ("LimitNOFILE=64\n", "is no unit file"),
    ],
)
def test_a_drop_in_that_cannot_be_followed_is_an_error_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    write(tmp_path, "20-fix.conf", text)
    with pytest.raises(UnitError, match=words):
        read(tmp_path)


def test_settings_are_written_as_toml_that_reads_back() -> None:
    import tomllib

    settings = {"overflow": "wait", "listen_backlog": 16, "heartbeat_interval_s": 2.5, "on": True}
    assert tomllib.loads(toml(settings)) == settings
