"""A certificate authority of the lab's own, and a certificate for its gateways."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plumbline.lab.errors import LabError
from plumbline.lab.parts.part import Built, Part

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    from plumbline.lab.parts.builder import Builder

KEYS = ("ec-p256", "rsa-2048", "rsa-4096")


@dataclass(frozen=True, slots=True)
class Tls(Part):
    """Gateways speak TLS, with a certificate that the lab's clients trust.

    Args:
        key: Kind of the certificate's key; an RSA key of 4096 bits makes handshakes dear.
        days: How long it is valid from now, in days; negative: it has expired so long ago.
        hosts: Names beside 127.0.0.1.
    """

    key: str = "ec-p256"
    days: float = 30.0
    hosts: tuple[str, ...] = ("localhost",)
    name: str = "tls"

    def build(self, host: Builder) -> TlsPart:
        """Return it."""
        if self.key not in KEYS:
            raise LabError(f"Tls(key='{self.key}') is none of {', '.join(KEYS)}")
        return TlsPart(host.folder, self)


class TlsPart(Built):
    """The certificate files of a lab."""

    def __init__(self, folder: Path, tls: Tls) -> None:
        self.name = tls.name
        self._tls = tls
        words = ("ca", "ca-key", "cert", "key")
        self.ca, self.ca_key, self.cert, self.key = (folder / f"{tls.name}-{word}.pem" for word in words)
        self.issue(key=tls.key, days=tls.days)

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the gateways serve with."""
        return {"tls_cert": str(self.cert), "tls_key": str(self.key)}

    def environment(self) -> dict[str, str]:
        """The files; OpenSSL's own variable makes every client of the lab trust its authority."""
        files = {"CA": self.ca, "CA_KEY": self.ca_key, "CERT": self.cert, "KEY": self.key}
        return {f"TLS_{name}": str(path) for name, path in files.items()} | {"SSL_CERT_FILE": str(self.ca)}

    def tell(self, **values: Any) -> None:
        """Issue another certificate by the same authority: `key`, `days`. A gateway reads it when it is reloaded."""
        self.issue(key=values.get("key", self._tls.key), days=values.get("days", self._tls.days))

    def issue(self, *, key: str, days: float) -> None:
        """Write certificate and key, and at first the authority that signs them."""
        if not hasattr(self, "_authority"):
            self._authority = _key("ec-p256")
            self.ca.write_bytes(_certificate("Plumbline lab", self._authority, self._authority, 365.0, None))
            _keep(self._authority, self.ca_key)
        own = _key(key)
        _keep(own, self.key)
        self.cert.write_bytes(_certificate("Plumbline lab gateway", own, self._authority, days, self._tls.hosts))


def _keep(key: EllipticCurvePrivateKey | RSAPrivateKey, path: Path) -> None:
    """Write a private key to a file that only this user may read."""
    from cryptography.hazmat.primitives import serialization

    path.touch(mode=0o600)
    form, password = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, password))


def _key(kind: str) -> EllipticCurvePrivateKey | RSAPrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    if kind == "ec-p256":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(65537, int(kind.removeprefix("rsa-")))


def _certificate(title: str, key: Any, signer: Any, days: float, hosts: tuple[str, ...] | None) -> bytes:
    """Return a certificate as PEM; without hosts it is the authority's own."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.x509.oid import NameOID

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    end = datetime.now(UTC) + timedelta(days=days)
    made = (
        x509.CertificateBuilder()
        .subject_name(name(title))
        .issuer_name(name("Plumbline lab"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(datetime.now(UTC), end) - timedelta(days=2))
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=hosts is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if hosts is None:
        usage = dict.fromkeys(_USAGES, False) | {"key_cert_sign": True, "crl_sign": True}
        made = made.add_extension(x509.KeyUsage(**usage), critical=True)
    else:
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        made = made.add_extension(x509.SubjectAlternativeName([address, *map(x509.DNSName, hosts)]), critical=False)
    return made.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)
