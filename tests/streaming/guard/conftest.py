"""Keys of every kind, and tokens made with them."""

import json
from types import SimpleNamespace

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from plumbline.streaming.core.counters import Counters
from plumbline.streaming.core.request import Request
from plumbline.streaming.core.settings import Settings
from plumbline.streaming.server.guard import Guard

NOW = 1_800_000_000.0  # the clock of these tests, in seconds since 1970
CANARY = "canary-in-the-token"  # if this is found anywhere, a token was


def public_pem(private):
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return private.public_key().public_bytes(encoding, form)


def private_pem(private):
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return private.private_bytes(encoding, form, serialization.NoEncryption())


def make(folder, algorithm, name):
    """Make a key pair or a secret; `sign` is what signs, `path` the file that a gateway gets."""
    makers = {
        "RS256": lambda: rsa.generate_private_key(65537, 2048),
        "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "EdDSA": ed25519.Ed25519PrivateKey.generate,
    }
    path = folder / f"{name}.key"
    if algorithm == "HS256":
        sign = (f"secret of {name} " * 4).encode().strip()
        path.write_bytes(sign + b"\n")
        jwk = {"kty": "oct", "k": jwt.utils.base64url_encode(sign).decode()}
    else:
        sign = makers[algorithm]()
        path.write_bytes(public_pem(sign))
        jwk = jwt.get_algorithm_by_name(algorithm).to_jwk(sign.public_key(), as_dict=True)
    return SimpleNamespace(sign=sign, path=path, jwk={**jwk, "kid": name}, algorithm=algorithm, name=name)


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    """Return one key of each algorithm."""
    folder = tmp_path_factory.mktemp("keys")
    return {name: make(folder, name, name.lower()) for name in ("HS256", "RS256", "ES256", "EdDSA")}


@pytest.fixture
def key_set(tmp_path):
    """Return a function that writes a JWK set of these keys and returns its path."""

    def write(*listed, name="keys.json"):
        path = tmp_path / name
        path.write_text(json.dumps({"keys": [key.jwk for key in listed]}))
        return path

    return write


def token(key, *, kid=None, algorithm=None, headers=None, now=NOW, **claims):
    """Sign a token; `exp` is a minute away unless it is said."""
    said = {"sub": "ada", "exp": now + 60, "jti": CANARY, **claims}
    named = {"kid": kid, **(headers or {})} if kid else headers
    said = {name: value for name, value in said.items() if value is not None}
    return jwt.encode(said, key.sign, algorithm=algorithm or key.algorithm, headers=named)


@pytest.fixture(name="token")
def token_maker():
    """Return the function that signs tokens."""
    return token


class Connection:
    def __init__(self, identity):
        self.identity = identity
        self.said = []

    def deliver(self, message, now):
        self.said.append(json.loads(message.payload))


class Owner:
    """Stands where the hub stands; its two clocks run together, from different beginnings."""

    def __init__(self, **settings):
        self.settings = Settings(**settings)
        self.counters = Counters()
        self.clock = 0.0
        self.ended = []
        self.over = []
        self.reads = {}
        self.guard = Guard(self, wall=lambda: NOW + self.clock)

    def now(self):
        return 50.0 + self.clock

    def end(self, connection, code, sentence):
        self.ended.append((connection, code, sentence))

    def subscriptions(self, connection):
        return self.reads.get(connection, ())

    def end_subscription(self, connection, channel, code, sentence, *, again):
        self.over.append((channel, code, again))

    def later(self, seconds):
        self.clock += seconds
        self.guard.check(self.now())

    def open(self, request):
        connection = Connection(self.guard.identify(request, "g-1"))
        self.guard.opened(connection)
        return connection


@pytest.fixture
def guarded(keys):
    """Return a function that makes a gateway with tokens of this key."""

    def make(algorithm="EdDSA", **settings):
        return Owner(token_keys=str(keys[algorithm].path), **{"token_leeway_s": 0, **settings})

    return make


def websocket(**headers):
    query = headers.pop("query", "")
    return Request("GET", "/", query, {"upgrade": "websocket", **headers})


def bearer(text):
    return websocket(authorization=f"Bearer {text}")


def codes(owner):
    return [code for _, code, _ in owner.ended]
