"""Keys are exchanged while the gateway runs, and shown to nobody."""

import json

import pytest

from plumbline.streaming.core.request import RefusedError
from plumbline.streaming.core.setting_kinds import SettingError

from .conftest import Owner, bearer

# Rotation.


def test_keys_are_read_again_without_dropping_anybody(tmp_path, keys, token):
    path = tmp_path / "current.pem"
    path.write_bytes(keys["EdDSA"].path.read_bytes())
    owner = Owner(token_keys=str(path), token_leeway_s=0)
    connection = owner.open(bearer(token(keys["EdDSA"])))
    path.write_bytes(keys["ES256"].path.read_bytes())
    assert owner.guard.reload() == {"keys": [{"kid": None, "alg": "ES256", "file": str(path)}]}
    assert owner.open(bearer(token(keys["ES256"]))).identity.user == "ada"
    with pytest.raises(RefusedError):
        owner.open(bearer(token(keys["EdDSA"])))
    assert (owner.ended, connection.identity.user) == ([], "ada")


def test_a_wrong_key_file_changes_nothing(tmp_path, keys, token):
    path = tmp_path / "current.pem"
    path.write_bytes(keys["EdDSA"].path.read_bytes())
    owner = Owner(token_keys=str(path))
    path.write_text("short")
    with pytest.raises(SettingError, match=r"token_keys: .*32 bytes"):
        owner.guard.reload()
    assert owner.open(bearer(token(keys["EdDSA"]))).identity.user == "ada"


def test_a_gateway_without_usable_keys_does_not_start(tmp_path):
    with pytest.raises(SettingError, match="token_keys"):
        Owner(token_keys=str(tmp_path / "none"))


def test_what_the_admin_socket_says_of_keys_holds_no_key(keys):
    owner = Owner(token_keys=str(keys["HS256"].path))
    assert "secret of" not in json.dumps(owner.guard.keys())
