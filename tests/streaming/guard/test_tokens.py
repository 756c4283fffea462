"""Whose token this is, and every way for it not to count."""

import base64
import contextlib
import json

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from plumbline.streaming.core.claims import TOKEN_LENGTH, TokenError, identity_of
from plumbline.streaming.core.permissions import ACTIONS
from plumbline.streaming.server.tokens import MAX_KEYS, KeyFileError, Keyring, load

from .conftest import CANARY, NOW, make, private_pem, public_pem

EVERY = ["HS256", "RS256", "ES256", "EdDSA"]


def ring(*paths, **options):
    return Keyring(load([str(path) for path in paths]), **options)


def refused(keyring, text, now=NOW):
    with pytest.raises(TokenError) as caught:
        keyring.check(text, now)
    assert CANARY not in str(caught.value)
    assert text[:20] not in str(caught.value) or not text
    return caught.value.reason, caught.value.sentence


@pytest.mark.parametrize("algorithm", EVERY)
@pytest.mark.parametrize("as_set", [False, True])
def test_a_token_of_a_known_key_says_who_until_when_and_what(keys, key_set, token, algorithm, as_set):
    key = keys[algorithm]
    keyring = ring(key_set(key) if as_set else key.path, leeway_s=5)
    text = token(key, kid=key.name if as_set else None, channels={"subscribe": ["scores.*"]})
    identity = keyring.check(text, NOW)
    assert (identity.user, identity.expires_at) == ("ada", NOW + 65)
    assert identity.permissions.may("subscribe", "scores.m7")
    assert not identity.permissions.may("publish", "scores.m7")


def test_the_algorithm_is_the_keys_never_the_tokens(keys, token):
    keyring = ring(keys["RS256"].path)
    # the classic: sign with HMAC, and the public key (which everybody has) as the secret
    forged = _hmac({"alg": "HS256", "typ": "JWT"}, keys["RS256"].path.read_bytes())
    assert refused(keyring, forged) == ("bad-token", "the token is signed with no key of this gateway")
    unsigned = jwt.encode({"exp": NOW + 60, "jti": CANARY}, None, algorithm="none")
    assert refused(keyring, unsigned)[1] == "the token is signed with no key of this gateway"
    other = keys["HS256"]
    stronger = jwt.encode({"exp": NOW + 60}, other.sign * 2, algorithm="HS512")
    assert refused(ring(other.path), stronger)[1] == "the token is signed with no key of this gateway"


def _hmac(head, secret):
    import hashlib
    import hmac

    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    signed = part(head) + b"." + part({"exp": NOW + 60, "jti": CANARY})
    signature = base64.urlsafe_b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).rstrip(b"=")
    return (signed + b"." + signature).decode()


def test_the_key_that_a_token_names_is_the_one_that_counts(tmp_path, key_set, token):
    old, new = make(tmp_path, "EdDSA", "2026-10"), make(tmp_path, "EdDSA", "2026-11")
    keyring = ring(key_set(old, new))
    assert keyring.check(token(old, kid="2026-10"), NOW).user == "ada"
    assert keyring.check(token(new, kid="2026-11"), NOW).user == "ada"
    assert keyring.check(token(new), NOW).user == "ada"  # without a name all are tried
    assert refused(keyring, token(old, kid="2026-11"))[1] == "the token's signature is wrong"
    assert refused(keyring, token(old, kid="2025-01"))[1] == "the token is signed with no key of this gateway"


@pytest.mark.parametrize(
    ("claims", "reason", "because"),
    [
        ({"exp": None}, "bad-token", "no exp"),
        ({"exp": NOW - 1}, "token-expired", "expired"),
        ({"exp": "tomorrow"}, "bad-token", "exp claim is no time"),
        ({"exp": True}, "bad-token", "exp claim is no time"),
        ({"exp": 1e300}, "bad-token", "exp claim is no time"),
        ({"nbf": NOW + 60}, "bad-token", "not valid yet"),
        ({"nbf": []}, "bad-token", "nbf claim is no time"),
        ({"sub": 7}, "bad-token", "sub claim"),
        ({"sub": "a\nb"}, "bad-token", "sub claim"),
        ({"sub": ""}, "bad-token", "sub claim"),
        ({"channels": ["a"]}, "bad-token", "must be an object"),
        ({"channels": {"subscibe": ["a"]}}, "bad-token", "may only have"),
        ({"channels": {"subscribe": "a"}}, "bad-token", "must be a list"),
        ({"channels": {"subscribe": [7]}}, "bad-token", "text of 1 to 200"),
        ({"aud": "elsewhere"}, "bad-token", "another audience"),
    ],
)
def test_a_wrong_claim_is_named(keys, token, claims, reason, because):
    found = refused(ring(keys["HS256"].path), token(keys["HS256"], **claims))
    assert found[0] == reason
    assert because in found[1]


def test_the_clock_may_differ_by_the_leeway(keys, token):
    keyring = ring(keys["HS256"].path, leeway_s=10)
    assert keyring.check(token(keys["HS256"], exp=NOW - 9), NOW).expires_at == NOW + 1
    assert refused(keyring, token(keys["HS256"], exp=NOW - 10))[0] == "token-expired"
    assert keyring.check(token(keys["HS256"], nbf=NOW + 10), NOW).user == "ada"


def test_issuer_and_audience_are_asked_for_when_set(keys, token):
    keyring = ring(keys["HS256"].path, issuer="https://id.example.org", audience="scores")
    good = {"iss": "https://id.example.org", "aud": ["other", "scores"]}
    assert keyring.check(token(keys["HS256"], **good), NOW).user == "ada"
    assert "another issuer" in refused(keyring, token(keys["HS256"], **good | {"iss": "https://evil.test"}))[1]
    assert "another audience" in refused(keyring, token(keys["HS256"], **good | {"aud": "other"}))[1]
    assert "lacks" in refused(keyring, token(keys["HS256"], **good | {"aud": None}))[1]
    assert "lacks" in refused(keyring, token(keys["HS256"], **good | {"iss": None}))[1]


def test_a_tampered_token_is_refused(keys, token):
    head, _, signature = token(keys["ES256"]).split(".")
    body = base64.urlsafe_b64encode(json.dumps({"sub": "eve", "exp": NOW + 60}).encode()).rstrip(b"=").decode()
    assert refused(ring(keys["ES256"].path), f"{head}.{body}.{signature}")[1] == "the token's signature is wrong"


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "..", "é.é.é", "\ud800", "x" * (TOKEN_LENGTH + 1), "e30.e30.e30"])
def test_what_is_no_token_is_refused(keys, text):
    assert refused(ring(keys["HS256"].path), text)[0] == "bad-token"


@pytest.mark.parametrize("headers", [{"crit": ["exp"]}, {"crit": ["b64"], "b64": False}])
def test_critical_headers_that_we_do_not_know_are_refused(keys, token, headers):
    assert refused(ring(keys["HS256"].path), token(keys["HS256"], headers=headers))[0] == "bad-token"


def test_a_payload_that_is_no_object_is_refused(keys):
    text = jwt.PyJWS().encode(b'["canary"]', keys["HS256"].sign, algorithm="HS256")
    assert refused(ring(keys["HS256"].path), text) == ("bad-token", "the token's content is malformed")


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_no_text_makes_anything_but_a_refusal(keys, text):
    refused(ring(keys["HS256"].path), f"{text}.{text}.{text}")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
)
channels = st.dictionaries(st.sampled_from(ACTIONS) | st.text(max_size=5), st.lists(st.text(max_size=9)) | anything)


@given(
    st.fixed_dictionaries(
        {"exp": anything | st.integers(0, 1 << 53)},
        optional={"sub": anything, "nbf": anything, "channels": channels | anything},
    )
)
def test_any_claims_give_an_identity_that_ends_or_a_refusal(claims):
    identity = None
    with contextlib.suppress(TokenError):
        identity = identity_of(claims, NOW, 0.0)
    if identity is not None:
        assert NOW < identity.expires_at < float("inf")


# Key files.


def test_a_private_key_is_not_taken(tmp_path, keys):
    path = tmp_path / "private.pem"
    path.write_bytes(private_pem(keys["ES256"].sign))
    with pytest.raises(KeyFileError, match=r"private\.pem: this is a private key"):
        load([str(path)])


def test_a_private_key_in_a_set_is_not_taken(tmp_path, keys):
    path = tmp_path / "keys.json"
    jwk = jwt.get_algorithm_by_name("EdDSA").to_jwk(keys["EdDSA"].sign, as_dict=True)
    path.write_text(json.dumps({**jwk, "kid": "one"}))
    with pytest.raises(KeyFileError, match="key 'one' is a private key") as caught:
        load([str(path)])
    assert jwk["d"] not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "because"),
    [
        (b"short", "32 bytes or more"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "no public key"),
        (b"{not json", "begins as JSON"),
        (b'{"keys": 7}', "JWK set"),
        (b'{"keys": [7]}', "JWK set"),
        (b'{"keys": []}', "0 usable keys"),
        (b'{"keys": [{"kty": "RSA", "use": "enc"}]}', "0 usable keys"),
        (b'{"kty": "oct", "k": "c2hvcnQ", "kid": "s"}', "secret 's' must have 32"),
        (b'{"kty": "oct", "kid": "s"}', "key 's' cannot be used"),
        (b'{"kty": "?", "kid": "s", "k": "canary"}', "key 's' cannot be used"),
        (b"x" * ((1 << 20) + 1), "at most"),
    ],
)
def test_a_key_file_that_cannot_be_used_is_named_with_the_reason(tmp_path, content, because):
    path = tmp_path / "file.key"
    path.write_bytes(content)
    with pytest.raises(KeyFileError, match=because) as caught:
        load([str(path)])
    assert str(path) in str(caught.value)
    assert "canary" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(KeyFileError, match=r"none\.pem: No such file"):
        load([str(tmp_path / "none.pem")])


@pytest.mark.parametrize(
    ("private", "because"),
    [
        (rsa.generate_private_key(65537, 1024), "2048 bits"),
        (ec.generate_private_key(ec.SECP384R1()), "may be RSA, EC on P-256, or Ed25519"),
    ],
)
def test_weak_and_unknown_kinds_of_keys_are_refused(tmp_path, private, because):
    path = tmp_path / "public.pem"
    path.write_bytes(public_pem(private))
    with pytest.raises(KeyFileError, match=because):
        load([str(path)])


def test_a_key_may_not_be_used_with_another_algorithm_than_its_own(tmp_path, keys):
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [keys["RS256"].jwk | {"alg": "HS256"}]}))
    with pytest.raises(KeyFileError, match="says HS256, but it is one for RS256"):
        load([str(path)])


def test_keys_that_others_use_are_left_out_of_a_set(tmp_path, keys):
    path = tmp_path / "keys.json"
    listed = [keys["RS256"].jwk | {"alg": "RS512"}, keys["RS256"].jwk | {"use": "enc"}, keys["EdDSA"].jwk]
    path.write_text(json.dumps({"keys": listed}))
    assert [key.algorithm for key in load([str(path)])] == ["EdDSA"]


def test_the_number_of_keys_is_bounded(tmp_path, keys):
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [keys["EdDSA"].jwk] * (MAX_KEYS + 1)}))
    with pytest.raises(KeyFileError, match=f"there are {MAX_KEYS + 1} usable keys"):
        load([str(path)])


def test_a_key_never_shows_itself(keys):
    [key] = load([str(keys["HS256"].path)])
    assert "secret of" not in repr(key)
    assert "secret of" not in repr(Keyring((key,)))
