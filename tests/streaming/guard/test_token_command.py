"""`plumb gateway token`: a token to try with."""

import jwt
import pytest
from click.testing import CliRunner

from plumbline.cli.gateway_tokens import reload_keys, token

from .conftest import make, private_pem


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA", "HS256"])
def test_the_token_says_what_was_asked_for(tmp_path, keys, algorithm):
    path = keys[algorithm].path
    if algorithm != "HS256":
        path = tmp_path / "private.pem"
        path.write_bytes(private_pem(keys[algorithm].sign))
    words = ["--key", str(path), "--kid", "k1", "--user", "ada", "--publish", "a.*", "--issuer", "i", "--audience", "b"]
    done = CliRunner().invoke(token, words)
    assert done.exit_code == 0
    text = done.stdout.strip()
    said = jwt.decode(text, options={"verify_signature": False})
    assert (said["sub"], said["iss"], said["aud"], said["channels"]) == ("ada", "i", "b", {"publish": ["a.*"]})
    assert said["exp"] - said["iat"] in (3600, 3601)
    assert jwt.get_unverified_header(text)["kid"] == "k1"
    assert f"signed {algorithm}" in done.stderr
    assert text not in done.stderr


@pytest.mark.parametrize(
    ("content", "because"),
    [
        (None, "No such file"),
        (b"short", "32 bytes"),
        (b"-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----", "no private key"),
    ],
)
def test_a_key_that_cannot_sign_is_named(tmp_path, content, because):
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    done = CliRunner().invoke(token, ["--key", str(path)])
    assert done.exit_code == 2
    assert because in done.stderr


def test_a_curve_that_gateways_do_not_take_is_named(tmp_path):
    from cryptography.hazmat.primitives.asymmetric import ec

    path = tmp_path / "key"
    path.write_bytes(private_pem(ec.generate_private_key(ec.SECP384R1())))
    assert "P-256" in CliRunner().invoke(token, ["--key", str(path)]).stderr


def test_keys_are_not_read_again_where_none_are_asked_for(tmp_path, process):
    gateway = process()
    done = CliRunner().invoke(reload_keys, ["--admin", str(gateway.admin)])
    assert (done.exit_code, "asks for no tokens" in done.stderr) == (2, True)


def test_a_wrong_file_is_said_at_the_start_and_at_sighup_changes_nothing(tmp_path, process, until, token):
    import signal

    key = make(tmp_path, "HS256", "one")
    config = tmp_path / "gateway.toml"
    config.write_text(f'token_keys = "{key.path}"\n')
    gateway = process("--config", str(config))
    key.path.write_text("short")
    gateway.child.send_signal(signal.SIGHUP)
    until(lambda: "reload failed" in gateway.log)
    assert "32 bytes" in gateway.log
    assert gateway.ask(get="settings")["token_keys"] == str(key.path)
