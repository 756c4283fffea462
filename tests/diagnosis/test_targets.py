import os
import socket

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.diagnosis.labs import LabEndpoint, LabState, labs_folder
from plumbline.diagnosis.targets import TargetError, names, resolve
from plumbline.evidence import Endpoint, ProbeChannel


@pytest.fixture(autouse=True)
def _own_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLUMBLINE_STATE", str(tmp_path / "labs"))
    monkeypatch.delenv("PLUMBLINE_CONFIG", raising=False)


@pytest.fixture
def configure(tmp_path):
    def write(text):
        (tmp_path / "plumbline.toml").write_text(text)

    return write


def _lab(name, *, purpose="serve", started_at=1.0, owner=None, born=None):
    own = psutil.Process(owner or os.getpid())
    state = LabState(
        id=name,
        owner_pid=own.pid,
        owner_started=born or own.create_time(),
        started_at=started_at,
        purpose=purpose,
        endpoint=LabEndpoint(url=f"ws://127.0.0.1/{name}", pid=7, token="t"),
    )
    return state.write()


def test_a_target_of_the_configuration_is_found_by_name(configure, monkeypatch):
    monkeypatch.setenv("FEED_TOKEN", "s3cret")
    configure(
        '[targets.feed]\nurl = "wss://feed.example/ws"\nmetrics = "http://feed.example/metrics"\n'
        "pid = 12\n"
        'admin = "/run/gw.sock"\ncgroup = "/system.slice/gw.service"\npatience_s = 70\ntoken_env = "FEED_TOKEN"\n'
    )
    assert resolve("feed") == Endpoint(
        name="feed",
        url="wss://feed.example/ws",
        metrics="http://feed.example/metrics",
        pid=12,
        admin="/run/gw.sock",
        cgroup="/system.slice/gw.service",
        patience_s=70.0,
        token="s3cret",
    )
    assert names() == ["feed", "lab"]


def test_a_channel_for_probes_is_a_table_of_its_own(configure):
    configure(
        '[targets.feed]\nurl = "ws://h/"\n[targets.feed.fanout]\nsubscribe = "SUB probe 1\\r\\n"\n'
        'publish = "PUB probe {probe_bytes}\\r\\n{probe}\\r\\n"\n'
    )
    channel = ProbeChannel("PUB probe {probe_bytes}\r\n{probe}\r\n", subscribe="SUB probe 1\r\n")
    assert resolve("feed").fanout == channel
    assert "SUB" not in repr(resolve("feed"))


def test_a_probe_that_logs_in_needs_a_token(configure):
    configure('[targets.feed]\nurl = "ws://h/"\n[targets.feed.fanout]\npublish = "CANARY {token} {probe}"\n')
    with pytest.raises(TargetError, match=r"has \{token\} in its table fanout, and no token_env") as caught:
        resolve("feed")
    assert "CANARY" not in str(caught.value)


def test_relative_paths_are_relative_to_the_configuration(configure, tmp_path, monkeypatch):
    configure('[targets.feed]\nadmin = "run/gw.sock"\npidfile = "gw.pid"\n')
    (tmp_path / "gw.pid").write_text("42\n")
    monkeypatch.setenv("PLUMBLINE_CONFIG", str(tmp_path / "plumbline.toml"))
    monkeypatch.chdir("/")
    assert (resolve("feed").admin, resolve("feed").pid) == (str(tmp_path / "run/gw.sock"), 42)


def test_what_a_model_platform_keeps_in_files_is_named_relative_too_and_a_registrys_password_is_not_shown(
    configure, tmp_path
):
    configure(
        '[targets.churn]\nmodel = "churn"\ngolden = "golden.json"\nregistry = "models"\nexposures = "log.jsonl"\n'
        '[targets.shared]\nregistry = "postgresql://ml:CANARY@db/models"\n'
    )
    found = resolve("churn")
    assert (found.model, found.artefact, found.retraining) == ("churn", None, None)
    assert found.golden == str(tmp_path / "golden.json")
    assert found.registry == str(tmp_path / "models")
    assert found.exposures == str(tmp_path / "log.jsonl")
    assert resolve("shared").registry == "postgresql://ml:CANARY@db/models"
    assert "CANARY" not in repr(resolve("shared"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[targets.feed]\ntoken = 'CANARY'", "unknown key 'token'; did you mean 'token_env'"),
        ("[targets.feed]\nzzz = 'CANARY'", "unknown key 'zzz'; known are url"),
        ("[targets.feed]\npid = 'CANARY'", "'pid' is wrong: input should be a valid integer"),
        ("[targets.feed]\npatience_s = 0", "'patience_s' is wrong: input should be greater than 0"),
        ("[targets.feed]\nurl = 'mailto:CANARY'", "'url' is wrong: value error, an address begins with"),
        ("[targets.feed.fanout]\npublsh = 'CANARY'", "unknown key 'fanout.publsh'; did you mean 'publish'"),
        ("[targets.feed.fanout]\npublish = 'CANARY'", "publish has no {probe}"),
        ("[targets.feed.fanout]\npublish = 'CANARY €{probe}'\nbinary = true", "no single byte"),
        ("[targets.feed]\nfanout = 'CANARY'", "'fanout' is wrong"),
        ("[target.feed]\nurl = 'CANARY'", "unknown key 'target'"),
        ("targets = 'CANARY'", "'targets' is no table"),
        ("[targets]\nfeed = 'CANARY'", "'targets.feed' is no table"),
        ("[targets.'a b']\nurl = 'CANARY'", "letters, digits"),
        ("[targets.feed\nurl = 'CANARY'", "is no TOML"),
    ],
)
def test_a_wrong_configuration_is_told_without_its_values(configure, text, told):
    configure(text)
    with pytest.raises(TargetError, match=r"plumbline\.toml") as caught:
        resolve("feed")
    assert told in str(caught.value)
    assert "CANARY" not in str(caught.value)


def test_an_unknown_target_is_answered_with_the_likely_one(configure):
    configure("[targets.production]\npid = 1\n")
    with pytest.raises(TargetError, match="did you mean 'production'"):
        resolve("prodcution")
    with pytest.raises(TargetError, match="known are lab, production"):
        resolve("xyz")


def test_a_configuration_that_is_named_must_exist(monkeypatch):
    assert names() == ["lab"]
    monkeypatch.setenv("PLUMBLINE_CONFIG", "/nowhere/plumbline.toml")
    with pytest.raises(TargetError, match=r"no such file, but \$PLUMBLINE_CONFIG"):
        names()


def test_a_configuration_that_cannot_be_read_is_told(tmp_path):
    (tmp_path / "plumbline.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(TargetError, match="cannot be read"):
        names()


def test_a_missing_token_or_pid_file_is_told(configure, monkeypatch):
    monkeypatch.delenv("FEED_TOKEN", raising=False)
    configure('[targets.a]\ntoken_env = "FEED_TOKEN"\n[targets.b]\npidfile = "/nowhere.pid"\n')
    with pytest.raises(TargetError, match=r"\$FEED_TOKEN, which is not set"):
        resolve("a")
    with pytest.raises(TargetError, match=r"/nowhere\.pid gives no pid \(FileNotFoundError\)"):
        resolve("b")


def test_targets_may_be_given_inline(tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "a.sock"))
        assert resolve("./a.sock").admin == str(tmp_path / "a.sock")
    assert resolve("pid:17") == Endpoint(name="pid:17", pid=17)
    assert resolve("ws://h:1/x").url == "ws://h:1/x"


def test_the_name_of_an_inline_address_holds_no_secret():
    endpoint = resolve("wss://bob:CANARY-1@h/ws?token=CANARY-2")
    assert endpoint.url == "wss://bob:CANARY-1@h/ws?token=CANARY-2"
    assert endpoint.name == "wss://[redacted]@h/ws?token=[redacted]"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("ftp://h/x", "begins with ws://"),
        ("ws://[::1", "Invalid IPv6"),
        ("ws://:1/x", "names no host"),
        ("~nobody-here/x", "no socket"),
        ("pid:x", "is no pid"),
        ("pid:0", "is no pid"),
        ("./no.sock", "no socket"),
    ],
)
def test_an_inline_target_of_another_kind_is_refused(name, told):
    with pytest.raises(TargetError, match=told):
        resolve(name)


def test_without_a_lab_only_this_machine_can_be_read():
    assert resolve() == Endpoint(name="lab")


def test_the_newest_living_lab_for_people_is_the_default():
    _lab("old", started_at=1.0)
    _lab("new", started_at=2.0, purpose="practice")
    _lab("proof", started_at=3.0, purpose="prove")
    assert resolve().url == "ws://127.0.0.1/new"
    assert resolve("lab").token == "t"


def test_a_lab_whose_owner_died_is_passed_over():
    _lab("reused-pid", started_at=9.0, born=12.0)
    path = _lab("gone", started_at=8.0)
    path.write_text(path.read_text().replace(f'"owner_pid": {os.getpid()}', '"owner_pid": 4194999'))
    _lab("alive")
    assert resolve().url == "ws://127.0.0.1/alive"


def test_a_state_file_that_cannot_be_read_is_passed_over():
    path = _lab("odd", started_at=5.0)
    path.write_text('{"schema": "plumbline.lab/2"}')
    path.with_name("half.json").write_text('{"schema"')
    assert resolve() == Endpoint(name="lab")


def test_a_state_file_is_for_its_owner_only_and_leaves_no_half_one():
    path = _lab("mine")
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["mine.json"]


def test_state_lies_in_the_checkout_unless_told_otherwise(monkeypatch):
    monkeypatch.delenv("PLUMBLINE_STATE")
    assert labs_folder().parts[-2:] == (".plumbline", "labs")


@given(st.text(max_size=60))
def test_whatever_is_named_gives_an_endpoint_or_one_sentence(name):
    told = ""
    try:
        endpoint = resolve(name)
    except TargetError as error:
        endpoint, told = None, str(error)
    assert isinstance(endpoint, Endpoint) or told
