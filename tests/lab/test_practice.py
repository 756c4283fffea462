from __future__ import annotations

import os
import pty
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from plumbline.catalogue import Catalogue
from plumbline.cli.main import main
from plumbline.diagnosis.runner import Runner
from plumbline.diagnosis.targets import living, resolve
from plumbline.lab.keeper.sweep import MARK
from plumbline.lab.practice.play import play
from plumbline.lab.proof.campaign import Campaign
from plumbline.lab.proof.patience import Patience

TOY = Path(__file__).parent / "toy"
ID = "streaming.message-too-big"
Until = Callable[[Callable[[], object]], None]
BRIEF = Patience(hold_s=0.6, hold_runs=2, stretch=0.3)


def finds_it(query: str, *, catalogue: Catalogue, limit: int) -> list[dict[str, object]]:
    return [{"id": ID, "title": f"about {query}", "url": "/there/"}] if "nothing" not in query else []


def practise(*typed: str, find: object = finds_it) -> tuple[bool, str]:
    """Play a session with these lines typed; the input ends after them."""
    lines, said = iter(typed), []
    catalogue = Catalogue(TOY)
    subject = Campaign(catalogue, []).subject(ID)
    with Runner(catalogue) as runner:
        green = play(
            subject,
            catalogue,
            runner,
            find=find,  # type: ignore[arg-type]
            say=said.append,
            ask=lambda _: next(lines, None),
            patience=BRIEF,
        )
    return green, "\n".join(said)


def test_a_person_who_asks_around_gets_answers_and_sees_the_fix_turn_it_green() -> None:
    asked = ("help", "search", "search nothing", "diagnose", "diagnose all", "feel", "steps")
    green, said = practise(*asked, *["hint"] * 6, "decoy", "fix", "")
    assert green
    for words in (
        "anything else is run as a command in the lab",
        "about My publisher is disconnected as soon as it sends something. (/there/)  ← this one",
        "nothing found; try the words of the log",
        "cause:  limit-too-small",
        f"critical  {ID}",
        "publishers were closed",
        "# fix-limit\nsed -i",
        "It may be: max_message_bytes is below the size of the messages",
        "The queue is for readers; this limit is for writers.",
        "restarted: process",
        "GREEN after",
    ):
        assert words in said


def test_enter_does_what_is_suggested_until_it_is_green(state: Path) -> None:
    green, said = practise("", "", "", "")
    assert green
    assert "The lab is up and healthy" in said
    assert "Now it is broken. A colleague writes: “My publisher is disconnected" in said
    assert "← this one" in said
    assert "CRITICAL: " in said
    assert "restarted: process" in said
    assert "GREEN after" in said
    assert list(state.iterdir()) == []


def test_a_fix_that_was_typed_by_hand_counts_as_well() -> None:
    green, said = practise("plumb gateway set max_message_bytes=65536", "")
    assert green
    assert "GREEN after" in said


def test_who_leaves_leaves_nothing_behind(state: Path) -> None:
    green, said = practise("hint", "quit")
    assert not green
    assert "nothing remains" in said
    assert list(state.iterdir()) == []


def test_watching_without_a_fix_says_that_it_stays_red() -> None:
    green, said = practise("watch")
    assert not green
    assert "comes to no rest" in said


def test_without_a_search_the_session_says_what_to_install() -> None:
    assert "pip install 'plumbline[search]'" in practise("search", find=None)[1]


def test_a_shell_opens_in_the_lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shell = tmp_path / "shell"
    shell.write_text(f'#!/bin/sh\necho "$PWD $LAB_FOLDER $PLUMBLINE_ADMIN" > {tmp_path}/seen\n')
    shell.chmod(0o755)
    monkeypatch.setenv("SHELL", str(shell))
    practise("shell")
    folder, same, admin = (tmp_path / "seen").read_text().split()
    assert folder == same
    assert admin == f"{folder}/admin.sock"


def test_without_a_terminal_it_refuses_to_ask() -> None:
    result = CliRunner().invoke(main, ["--catalogue", str(TOY), "practice", ID])
    assert result.exit_code == 2
    assert "stdin is no terminal; --yes does what is suggested" in result.output


@pytest.mark.parametrize("words", [(), ("--yes",)], ids=["no terminal", "--yes"])
def test_an_unknown_problem_is_a_usage_error_with_the_nearest_one(words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(main, ["--catalogue", str(TOY), "practice", "streaming.message-to-big", *words])
    assert result.exit_code == 2
    assert "did you mean 'streaming.message-too-big'" in result.output


def test_with_yes_it_runs_to_green_by_itself() -> None:
    result = CliRunner().invoke(main, ["--catalogue", str(TOY), "practice", ID, "--yes"])
    assert result.exit_code == 0, result.output
    assert "GREEN after" in result.output


def test_a_lab_that_cannot_start_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(shutil.copytree(TOY, tmp_path / "catalogue"))
    fault = root / "kb/streaming/message-too-big/fault.py"
    fault.write_text(
        fault.read_text().replace("    topology = ", '    needs = frozenset({"haproxy"})\n    topology = ')
    )
    monkeypatch.setattr("plumbline.lab.needs.shutil.which", lambda name: None)
    result = CliRunner().invoke(main, ["--catalogue", str(root), "practice", ID, "--yes"])
    assert result.exit_code == 1
    assert "this machine lacks haproxy on the PATH" in result.output


class Terminal:
    """`plumb practice` on a terminal of its own."""

    def __init__(self, state: Path) -> None:
        self.master, slave = pty.openpty()
        argv = [
            sys.executable,
            "-c",
            "from plumbline.cli.main import main; main()",
            "--catalogue",
            str(TOY),
            "practice",
            ID,
        ]
        env = dict(os.environ) | {"PLUMBLINE_STATE": str(state.parent), "TERM": "dumb"}
        self.process = subprocess.Popen(
            argv, stdin=slave, stdout=slave, stderr=slave, env=env, start_new_session=True, preexec_fn=_control
        )
        os.close(slave)
        os.set_blocking(self.master, False)
        self.shown = ""

    def shows(self, text: str) -> bool:
        try:
            self.shown += os.read(self.master, 65536).decode(errors="replace")
        except BlockingIOError:
            pass
        except OSError:  # the other end is closed
            assert self.process.poll() is None, self.shown
        return text in self.shown

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)


def _control() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.fixture
def terminal(state: Path) -> Iterator[Terminal]:
    made = Terminal(state)
    yield made
    made.close()


def marked() -> list[psutil.Process]:
    """Return all processes of labs of these tests."""
    found = []
    for process in psutil.process_iter():
        try:
            env = process.environ()
        except (psutil.Error, OSError):
            continue
        if MARK in env and env.get("PLUMBLINE_STATE") == os.environ["PLUMBLINE_STATE"]:
            found.append(process)
    return found


def nothing_remains(folder: str, state: Path) -> bool:
    return not marked() and not Path(folder).exists() and not list(state.glob("*.json"))


def broken(terminal: Terminal, until: Until) -> str:
    """Wait until the lab is broken and the prompt is there; return the lab's folder."""
    until(lambda: terminal.shows("[Enter: search"))
    (lab,) = living()
    assert (lab.purpose, lab.problem) == ("practice", ID)
    assert resolve("lab").admin == lab.endpoint.admin
    assert len(marked()) >= 3
    return str(Path(str(lab.endpoint.admin)).parent)


def test_nothing_remains_after_ctrl_c(terminal: Terminal, state: Path, until: Until) -> None:
    folder = broken(terminal, until)
    terminal.type("\x03")
    until(lambda: terminal.process.poll() is not None)
    assert terminal.process.returncode == 128 + signal.SIGINT
    assert nothing_remains(folder, state)


def test_nothing_remains_after_sigterm(terminal: Terminal, state: Path, until: Until) -> None:
    folder = broken(terminal, until)
    terminal.process.terminate()
    until(lambda: terminal.process.poll() is not None)
    assert terminal.process.returncode == 128 + signal.SIGTERM
    assert nothing_remains(folder, state)


def test_nothing_remains_after_kill_9_not_even_the_persons_shell(terminal: Terminal, state: Path, until: Until) -> None:
    folder = broken(terminal, until)
    terminal.type("shell\n")
    until(lambda: terminal.shows("'exit' brings you back"))
    terminal.type("sleep 600 & echo here-$((1+1))\n")
    until(lambda: terminal.shows("here-2"))
    terminal.process.kill()
    terminal.process.wait()
    until(lambda: nothing_remains(folder, state))


def test_the_end_of_the_input_ends_the_session(terminal: Terminal, state: Path, until: Until) -> None:
    folder = broken(terminal, until)
    terminal.type("\x04")
    until(lambda: terminal.process.poll() is not None)
    assert terminal.process.returncode == 0
    assert nothing_remains(folder, state)
