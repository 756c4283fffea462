"""Clients that speak HTTP with their own hands, and certificates."""

import contextlib
import json
import socket
import ssl
from urllib.parse import urlsplit

import pytest
import trustme
from hypothesis import settings as hypothesis_settings

from plumbline.streaming.core import sse

PATIENCE_S = 20
hypothesis_settings.register_profile("edge", deadline=None, derandomize=True)  # the same examples on every machine
hypothesis_settings.load_profile("edge")


class Http:
    """One TCP connection: says what it is told, reads to the end or event by event."""

    def __init__(self, url, tls=None):
        where = urlsplit(url)
        self.host = where.netloc
        self.sock = socket.create_connection((where.hostname, where.port), PATIENCE_S)
        if tls is not None:
            self.sock = tls.wrap_socket(self.sock, server_hostname=where.hostname)
        self.file = self.sock.makefile("rb")

    def say(self, data):
        self.sock.sendall(data)

    def ask(self, line, *headers, body=b""):
        length = [f"Content-Length: {len(body)}"] if body else []
        self.say("\r\n".join([f"{line} HTTP/1.1", f"Host: {self.host}", *headers, *length, "", ""]).encode() + body)
        return self

    def head(self):
        status = int(self.file.readline().split()[1])
        headers = {}
        while (line := self.file.readline().strip()) != b"":
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        return status, headers

    def answer(self):
        """Return status, headers and body; the connection must end after it."""
        status, headers = self.head()
        return status, headers, self.file.read().decode()

    def event(self):
        """Return kind, data and id of the next event; comments are passed over."""
        text = ""
        while True:
            line = self.file.readline().decode()
            if not line:
                return None
            text += line
            if line == "\n":
                for event in sse.stream(text):
                    return event
                text = ""

    def data(self):
        return json.loads(self.event()[1])

    def close(self):
        self.file.close()
        self.sock.close()


@pytest.fixture
def http():
    """Return a function that opens an HTTP connection to a gateway; it is closed after the test."""
    with contextlib.ExitStack() as stack:

        def begin(gateway, tls=None):
            one = Http(gateway.url, tls)
            stack.callback(one.close)
            return one

        yield begin


class Authority:
    """A certificate authority, and files of what it signed."""

    def __init__(self, folder):
        self.folder = folder
        self.authority = trustme.CA()
        self.issued = 0

    def issue(self, kind=trustme.KeyType.ECDSA):
        """Return the settings of a fresh certificate for this machine."""
        self.issued += 1
        made = self.authority.issue_cert("127.0.0.1", "localhost", key_type=kind)
        cert, key = self.folder / f"{self.issued}.pem", self.folder / f"{self.issued}.key"
        made.private_key_pem.write_to_path(key)
        for blob in made.cert_chain_pems:
            blob.write_to_path(cert, append=True)
        return {"tls_cert": str(cert), "tls_key": str(key)}

    def context(self):
        """Return what a client that trusts it uses."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.authority.configure_trust(context)
        return context


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)
