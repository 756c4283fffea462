"""The settings that say whom the gateway believes, and how much a client may do."""

from __future__ import annotations

from dataclasses import dataclass

from plumbline.streaming.core.rates import Rate
from plumbline.streaming.core.setting_kinds import setting
from plumbline.streaming.core.worker_settings import WorkerSettings


@dataclass(frozen=True, slots=True)
class SafetySettings(WorkerSettings):
    """Tokens and rates.

    Raises:
        SettingError: A value has the wrong type or is out of range.
    """

    token_keys: str = setting(
        "",
        "",
        None,
        None,
        "Files with the keys that tokens are signed with, comma-separated: PEM (public keys), a JWK set, or a secret. "
        "Empty: no tokens are asked for and everybody may do everything. SIGHUP and `plumb gateway reload-keys` read "
        "them again; nobody is dropped, and new tokens need a key that is still there.",
    )
    token_issuer: str = setting("", "", None, None, "What a token's `iss` must be. Empty: anything.")
    token_audience: str = setting(
        "", "", None, None, "What a token's `aud` must hold. Empty: tokens that have an `aud` are refused."
    )
    token_leeway_s: float = setting(
        5.0, "s", 0, 300, "Time by which the clocks of this machine and of whoever makes tokens may differ."
    )
    auth_timeout_s: float = setting(
        5.0,
        "s",
        0.05,
        600,
        "Time from a handshake without a token to the first `auth` command, before the connection is closed with 4002.",
    )
    expiry_notice_s: float = setting(
        30.0,
        "s",
        0.05,
        3600,
        "Time before a token's end at which its connection is told `expiring`; at the end it is closed with 4001.",
        off=True,
    )
    commands_per_s: float = setting(
        1000.0,
        "{command}/s",
        0.01,
        1_000_000,
        "Commands that one connection may send. One more is answered `rate-limited`.",
        off=True,
    )
    bytes_per_s: float = setting(
        float(4 << 20),
        "By/s",
        64,
        float(1 << 40),
        "Bytes of messages that one connection may send. Beyond it commands are answered `rate-limited`.",
        off=True,
    )
    frames_per_s: float = setting(
        2000.0,
        "{frame}/s",
        0.1,
        1_000_000,
        "WebSocket frames that one connection may send, pings and fragments among them. Beyond it the connection is "
        "closed with 4029.",
        off=True,
    )
    user_commands_per_s: float = setting(
        0.0, "{command}/s", 0.01, 1_000_000, "Commands that all connections of one user may send together.", off=True
    )
    user_bytes_per_s: float = setting(
        0.0,
        "By/s",
        64,
        float(1 << 40),
        "Bytes of messages that all connections of one user may send together.",
        off=True,
    )
    burst_s: float = setting(
        2.0,
        "s",
        0.01,
        3600,
        "How much may be done at once after a rest: what the rate allows in this time.",
    )
    max_refusals: int = setting(
        100,
        "{command}",
        1,
        1_000_000,
        "Commands beyond a rate that are answered `rate-limited` in ten seconds; one more closes the connection with "
        "4029.",
    )

    def rate(self, per_s: float) -> Rate:
        """Return the bucket of one of these rates."""
        return Rate(per_s, max(1.0, per_s * self.burst_s))
