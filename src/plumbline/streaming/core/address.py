"""Where to listen."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a TCP port; text form `127.0.0.1:8080` or `[::1]:8080`."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def local(self) -> bool:
        """True if only this machine reaches it."""
        return ipaddress.ip_address(self.host).is_loopback

    @classmethod
    def parse(cls, text: str, *, allow_remote: bool = False) -> Address:
        """Read `HOST:PORT`.

        Raises:
            ValueError: It is no address, or one that other machines reach and `allow_remote` is False.
        """
        host, colon, port = text.rpartition(":")
        host = "127.0.0.1" if host == "localhost" else host.removeprefix("[").removesuffix("]")
        if not colon or not port.isdecimal() or int(port) > 65535:
            raise ValueError(f"'{text}' is no address to listen on; write HOST:PORT, as in 127.0.0.1:8765")
        try:
            local = ipaddress.ip_address(host).is_loopback
        except ValueError:
            raise ValueError(f"'{host}' is no IP address to listen on; write 127.0.0.1, [::1] or localhost") from None
        if not local and not allow_remote:
            raise ValueError(
                f"{host} can be reached from other machines; listen on 127.0.0.1 behind a proxy, or say "
                "--allow-remote, which needs TLS and tokens (tls_cert, tls_key, token_keys)"
            )
        return cls(host, int(port))

    def bound(self, port: int) -> Address:
        """Return the same host with the port that was given out."""
        return replace(self, port=port)
