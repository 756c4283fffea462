"""TLS and credentials towards NATS, with real servers that insist: the right ones work, wrong ones are one sentence."""

import base64
import hashlib
import json
import secrets
import subprocess
import sys
import time

import nkeys
import psutil
import pytest
import trustme
from click.testing import CliRunner
from cluster.gatewaylab import Gateway
from websockets.sync.client import connect

from plumbline.cli.gateway import gateway
from plumbline.streaming.cluster.access import Access
from plumbline.streaming.cluster.options import servers_of

SECRET = "a-long-secret-of-these-tests"


class Papers:
    """An authority, and what it signed, as files."""

    def __init__(self, folder):
        folder.mkdir()
        self.folder = folder
        authority, other = trustme.CA(), trustme.CA()
        self.ca, self.stranger = folder / "ca.pem", folder / "stranger.pem"
        authority.cert_pem.write_to_path(self.ca)
        other.cert_pem.write_to_path(self.stranger)
        server, client, self.intruder = (
            authority.issue_cert("127.0.0.1"),
            authority.issue_cert("gateway@here"),
            folder / "intruder.pem",
        )
        self.server, self.client = folder / "server.pem", folder / "client.pem"
        server.private_key_and_cert_chain_pem.write_to_path(self.server)
        client.private_key_and_cert_chain_pem.write_to_path(self.client)
        other.issue_cert("x@y").private_key_and_cert_chain_pem.write_to_path(self.intruder)

    def file(self, name, text):
        path = self.folder / name
        path.write_text(text + "\n")
        return path

    def tls(self, *, verify=False):
        more = ", verify: true" if verify else ""
        return f'tls {{ cert_file: "{self.server}", key_file: "{self.server}", ca_file: "{self.ca}"{more} }}'


@pytest.fixture
def papers(tmp_path):
    return Papers(tmp_path / "papers")


@pytest.fixture
def guarded(nats):
    """Return a function that starts a server with these lines in its configuration."""

    def begin(*lines):
        def config(server):
            first = [f"listen: 127.0.0.1:{server.port}", f"http: 127.0.0.1:{server.http}"]
            first.append(f'jetstream {{ store_dir: "{server.folder}/store" }}')
            return "\n".join([*first, *lines]) + "\n"

        return nats(config=config)

    return begin


def show(server, *words, scheme="nats", code=0):
    address = f"{scheme}://127.0.0.1:{server.port}"
    done = CliRunner().invoke(gateway, ["region", "show", "a", f"--broker={address}", *map(str, words)])
    assert done.exit_code == code, done.output
    assert SECRET not in done.output
    return done.output


def refused(server, *words, scheme="nats"):
    """Return the one sentence with which a command ends that NATS does not let in."""
    said = show(server, *words, scheme=scheme, code=1)
    assert said.startswith("Error: ")
    assert len(said.splitlines()) == 1
    return said


def test_the_servers_certificate_is_checked_against_the_given_authority(guarded, papers):
    server = guarded(papers.tls())
    show(server, "--nats-ca", papers.ca, scheme="tls")
    show(server, "--nats-ca", papers.ca)  # nats:// with an authority is encrypted too
    assert "cannot be verified" in refused(server, "--nats-ca", papers.stranger, scheme="tls")
    assert "--nats-ca names who signed it" in refused(server, scheme="tls")  # the system's authorities did not


def test_a_server_that_wants_a_certificate_gets_the_given_one(guarded, papers):
    server = guarded(papers.tls(verify=True))
    show(server, "--nats-ca", papers.ca, "--nats-cert", papers.client, scheme="tls")
    for words in ((), ("--nats-cert", papers.intruder)):
        assert "127.0.0.1" in refused(server, "--nats-ca", papers.ca, *words, scheme="tls")


def test_without_tls_at_the_server_nothing_secret_is_sent_to_one_that_was_to_have_it(guarded, papers):
    password = papers.file("password", SECRET)
    server = guarded(f'authorization {{ user: gate, password: "{SECRET}" }}')
    said = refused(server, "--nats-user", "gate", "--nats-password-file", password, scheme="tls")
    assert "does not ask for TLS" in said


def test_user_and_password_token_and_nkey_let_in_and_wrong_ones_do_not(guarded, papers):
    pair = nkeys.from_seed(bytearray(seed(nkeys.PREFIX_BYTE_USER)))
    password, token = papers.file("password", SECRET), papers.file("token", SECRET)
    key = papers.file("seed", bytes(pair.seed).decode())
    wrong, wrong_key = papers.file("wrong", "x" * 20), papers.file("wrong-seed", seed(nkeys.PREFIX_BYTE_USER).decode())
    for line, good, bad in (
        (
            f'authorization {{ user: gate, password: "{SECRET}" }}',
            ("--nats-user", "gate", "--nats-password-file", password),
            ("--nats-user", "gate", "--nats-password-file", wrong),
        ),
        (f'authorization {{ token: "{SECRET}" }}', ("--nats-token-file", token), ("--nats-token-file", wrong)),
        (
            f"authorization {{ users: [ {{ nkey: {pair.public_key.decode()} }} ] }}",
            ("--nats-nkey", key),
            ("--nats-nkey", wrong_key),
        ),
    ):
        server = guarded(line)
        show(server, *good)
        assert "does not accept who the gateway says it is" in refused(server, *bad)
        assert "does not accept who the gateway says it is" in refused(server)
        server.kill()


def seed(prefix):
    return nkeys.encode_seed(secrets.token_bytes(32), prefix)


def signed(pair, subject, name, claims):
    """Return a JWT as `nsc` writes them, signed with an nkey."""

    def part(value):
        return base64.urlsafe_b64encode(value).rstrip(b"=")

    body = {"iat": int(time.time()), "iss": pair.public_key.decode(), "name": name, "sub": subject, "nats": claims}
    digest = hashlib.sha256(json.dumps(body).encode()).digest()
    body["jti"] = base64.b32encode(digest).rstrip(b"=").decode()
    text = part(b'{"typ":"JWT","alg":"ed25519-nkey"}') + b"." + part(json.dumps(body).encode())
    return (text + b"." + part(pair.sign(text))).decode()


class Operator:
    """An operator, its accounts and a user, as `nsc` makes them."""

    def __init__(self, papers):
        self.papers = papers
        self.pair = drawn(nkeys.PREFIX_BYTE_OPERATOR)
        self.account, self.stranger, self.system = (drawn(nkeys.PREFIX_BYTE_ACCOUNT) for _ in range(3))
        self.user = drawn(nkeys.PREFIX_BYTE_USER)

    def lines(self):
        """Return the server's configuration."""
        quiet = {"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "conn": -1, "leaf": -1}
        store = {"mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1, "wildcards": True}
        name, system = (pair.public_key.decode() for pair in (self.account, self.system))
        of_account = signed(self.pair, name, "a", {"type": "account", "version": 2, "limits": quiet | store})
        of_system = signed(self.pair, system, "sys", {"type": "account", "version": 2, "limits": quiet})
        itself = signed(self.pair, self.pair.public_key.decode(), "o", {"type": "operator", "version": 2})
        accounts = f"{name}: {of_account}, {system}: {of_system}"
        return (
            f"operator: {itself}",
            f"system_account: {system}",
            "resolver: MEMORY",
            f"resolver_preload: {{ {accounts} }}",
        )

    def credentials(self, issuer, name):
        """Return the user's file; only one that its account has signed is worth anything."""
        boundless = {"type": "user", "version": 2, "pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1}
        told = signed(issuer, self.user.public_key.decode(), "u", boundless)
        parts = (("NATS USER JWT", told), ("USER NKEY SEED", bytes(self.user.seed).decode()))
        texts = [f"-----BEGIN {what}-----\n{text}\n------END {what}------" for what, text in parts]
        return self.papers.file(name, "\n\n".join(texts))


def drawn(prefix):
    return nkeys.from_seed(bytearray(seed(prefix)))


def test_a_credentials_file_lets_in_under_an_operator(guarded, papers):
    operator = Operator(papers)
    server = guarded(*operator.lines())
    show(server, "--nats-credentials", operator.credentials(operator.account, "good.creds"))
    said = refused(server, "--nats-credentials", operator.credentials(operator.stranger, "bad.creds"))
    assert "does not accept" in said


def test_a_gateway_and_its_workers_serve_over_tls_with_a_password_and_no_secret_shows(guarded, papers, tmp_path):
    server = guarded(papers.tls(), f'authorization {{ user: gate, password: "{SECRET}" }}')
    words = ["--nats-ca", str(papers.ca), "--nats-user", "gate"]
    words += ["--nats-password-file", str(papers.file("password", SECRET)), "--workers", "1"]
    server.url = f"tls://127.0.0.1:{server.port}"
    one = Gateway(tmp_path, "gateway", server, *words)
    try:
        with connect(one.url, compression=None, proxy=None) as link:
            link.send('{"id": 1, "publish": "c", "data": 5}')
            assert json.loads(link.recv(timeout=30))["offset"] == 1
        family = [psutil.Process(one.child.pid), *psutil.Process(one.child.pid).children(recursive=True)]
        assert len(family) >= 2
        assert not [process for process in family if SECRET in " ".join(process.cmdline())]
        assert SECRET not in one.log
    finally:
        one.child.terminate()
        one.child.wait(30)
        one.child.stdout.close()


def test_a_gateway_that_is_not_let_in_says_so_and_ends(guarded, papers):
    server = guarded(f'authorization {{ token: "{SECRET}" }}')
    words = ["--broker", server.url, "--nats-token-file", str(papers.file("wrong", "not-it"))]
    command = [sys.executable, "-m", "plumbline.streaming", "--listen", "127.0.0.1:0", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "does not accept who the gateway says it is" in done.stderr.splitlines()[-1]
    assert "not-it" not in done.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"nkey": "a", "token_file": "b"}, "--nats-nkey and --nats-token-file are two ways"),
        ({"user": "gate"}, "belong together"),
        ({"password_file": "a"}, "belong together"),
        ({"key": "a"}, "name it with --nats-cert"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        Access(**options)


def test_files_that_cannot_be_used_are_named_and_nothing_of_them_is_said(papers, tmp_path):
    empty, odd = papers.file("empty", ""), tmp_path / "odd"
    odd.write_bytes(b"\xff\xfe" + SECRET.encode())
    for options, words in (
        ({"token_file": empty}, "empty: the file is empty"),
        ({"token_file": odd}, "cannot be used"),
        ({"token_file": tmp_path / "none"}, "No such file"),
        ({"ca": odd}, "--nats-ca"),
        ({"cert": papers.ca}, "--nats-cert"),
    ):
        with pytest.raises(ValueError, match=words) as failed:
            Access(**options).options(["nats://a"])
        assert SECRET not in str(failed.value)


def test_an_address_with_a_secret_in_it_is_refused_and_not_shown():
    for address in (f"nats://gate:{SECRET}@host:1", f"tls://{SECRET}@host:1"):
        with pytest.raises(ValueError, match="has a secret in it") as failed:
            servers_of(address)
        assert SECRET not in str(failed.value)
