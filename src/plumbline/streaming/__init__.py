"""A WebSocket pub-sub gateway with bounded outbound queues, and a client for it.

`from plumbline.streaming import Client, Gateway, Settings`. Nothing of the server is imported before it is used, so
that `plumbline.streaming.evidence` stays cheap and works where the server's packages are not installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plumbline.streaming.client import Client
    from plumbline.streaming.core.settings import Overflow, SettingError, Settings
    from plumbline.streaming.server.gateway import Gateway

__all__ = ["Client", "Gateway", "Overflow", "SettingError", "Settings"]
_HOMES = {
    "Client": "client",
    "Gateway": "server.gateway",
    "Overflow": "core.settings",
    "SettingError": "core.settings",
    "Settings": "core.settings",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
