"""Canaries: secrets seeded wherever a platform keeps them must appear in no output at all."""

import os
import subprocess
import sys
import zipfile

import pytest

from plumbline.diagnosis.formats import FORMATS

ENVIRONMENT, TOKEN, USER, QUERY, LOG, HEADER = (
    f"CANARY-{name}" for name in ("ENV", "TOKEN", "USER", "QUERY", "LOG", "HDR")
)
LEAK = (
    "raise RuntimeError(f'{endpoint.url} {endpoint.token} {endpoint} {endpoint.fanout.subscribe} {os.environ} "
    "Authorization: Bearer CANARY-HDR')"
)  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory, write, source):
    """A folder with a configuration, a log, and diagnostics that blurt out whatever they can."""
    root = tmp_path_factory.mktemp("canary")
    write(
        root / "catalogue",
        {
            "host.blurts": source(read=LEAK),
            "host.judges": source('where = "ws://u:CANARY-USER@h/?t=CANARY-QUERY"; '
                                  'return critical(f"{os.environ} {number.password} {where}", '
                                  'cause="c", impact="x-api-key: CANARY-HDR", next="curl -H \'Cookie: CANARY-HDR\'")'),
            "host.crashes": source("os._exit(3)"),
            "host.raises": source("raise ValueError(str(os.environ) + ' token=CANARY-HDR')"),
        },
    )  # fmt: skip
    (root / "plumbline.toml").write_text(
        f'[targets.feed]\nurl = "wss://bob:{USER}@feed.example/ws?key={QUERY}"\ntoken_env = "FEED_ACCESS"\n'
        "[targets.feed.fanout]\nsubscribe = 'AUTH CANARY-PROBE-9 now'\npublish = 'PUB CANARY-PROBE-9 {probe}'\n"
    )
    (root / "wrong.toml").write_text('[targets.feed]\ntoken = "CANARY-TOKEN"\n')
    log = f"Authorization: Bearer {HEADER}\npassword={LOG}\nconnected with {TOKEN} as {ENVIRONMENT}\n"
    (root / "app.log").write_text(log)
    return root


def _plumb(place, *arguments):
    environment = os.environ | {"FEED_ACCESS": TOKEN, "DATABASE_PASSWORD": ENVIRONMENT}
    command = [
        sys.executable,
        "-c",
        "from plumbline.cli.main import main; main()",
        "--catalogue",
        str(place / "catalogue"),
        *arguments,
    ]
    run = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=60)
    return run.returncode, run.stdout, run.stderr


@pytest.mark.parametrize("option", ["--strict", "--plan"])
def test_a_secret_in_the_configuration_is_in_no_message_about_it(place, option, monkeypatch):
    monkeypatch.setenv("PLUMBLINE_CONFIG", str(place / "wrong.toml"))
    code, out, err = _plumb(place, "diagnose", "--target", "feed", option)
    assert code == 2
    assert "unknown key 'token'; did you mean 'token_env'" in err
    assert "CANARY" not in out + err


@pytest.mark.parametrize("name", [*FORMATS, "--plan"])
def test_no_format_and_no_progress_holds_a_canary(place, name):
    options = [name] if name == "--plan" else ["--format", name]
    code, out, err = _plumb(place, "diagnose", "--target", "feed", *options)
    assert code == (0 if name == "--plan" else 2 if name == "nagios" else 1)
    assert "host.blurts" in out
    assert "CANARY" not in out + err
    assert "hunter2" not in out + err


def test_an_inline_address_is_told_without_its_secrets(place):
    target = f"wss://bob:{USER}@feed.example/ws?key={QUERY}"
    _, out, err = _plumb(place, "diagnose", "--target", target, "--format", "json")
    assert "wss://[redacted]@feed.example/ws?key=[redacted]" in out
    assert "CANARY" not in out + err
    code, out, err = _plumb(place, "diagnose", "--target", target.replace("wss", "mailto"))
    assert code == 2
    assert "CANARY" not in out + err


def test_no_file_of_a_bundle_and_no_replay_holds_a_canary(place):
    code, out, err = _plumb(place, "bundle", "--target", "feed", "--log", "app.log", "-o", "b.zip", "--force")
    assert code == 0, err
    assert "CANARY" not in out + err
    with zipfile.ZipFile(place / "b.zip") as zipped:
        contents = {name: zipped.read(name).decode() for name in zipped.namelist()}
    assert "logs/1-app.log" in contents
    for name, text in contents.items():
        assert "CANARY" not in text, name
        assert "hunter2" not in text, name
    code, out, err = _plumb(place, "replay", "b.zip")
    assert code == 1
    assert "CANARY" not in out + err
