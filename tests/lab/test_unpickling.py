"""The lab's server that unpickles its model: right with its own pickle, and failing at requests with an older one."""

import json
from pathlib import Path

import pytest

from plumbline.deployment.probes.pickled import read
from plumbline.lab.churn import CUSTOMERS, PATH, body
from plumbline.lab.servers.http import Config
from plumbline.lab.servers.unpickling import _DEFAULTS, LEFT, Unpickling


def test_an_older_release_s_pickle_loads_with_a_warning_and_fails_when_it_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, older = tmp_path / "m.pkl", tmp_path / "older.pkl"
    config = tmp_path / "model.json"
    config.write_text(json.dumps({"pickle": str(file), "older": str(older)}))
    asked = json.dumps(body(CUSTOMERS)).encode()
    service = Unpickling(Config(config, _DEFAULTS))
    answer = service.handle(PATH, asked)
    assert answer.value["outputs"][0]["data"][1::2] == list(LEFT)
    assert service.handle("/v2/health/ready", b"").status == 200
    assert service.handle("/", b"").status == 404
    assert not capsys.readouterr().err
    assert read(older).versions == {"1.3.2"}

    file.write_bytes(older.read_bytes())
    late = Unpickling(Config(config, _DEFAULTS))
    assert "InconsistentVersionWarning: Trying to unpickle estimator" in capsys.readouterr().err
    with pytest.raises(AttributeError, match="'SimpleImputer' object has no attribute '_fill_dtype'"):
        late.handle(PATH, asked)
