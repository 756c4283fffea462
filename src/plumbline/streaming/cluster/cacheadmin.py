"""A process's cache on an admin socket: diagnostics read its counters, and its protection can be switched."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from plumbline.streaming.cluster.cache import Cache
from plumbline.streaming.core.settings import SettingError
from plumbline.streaming.server.admin import Admin

SETTABLE = frozenset({"protection"})
_WORDS = {"true": True, "on": True, "false": False, "off": False}


def on_socket(path: str, cache: Cache) -> Admin:
    """Answer `{"get": "cache"}` and `{"set": {"protection": true}}` on a Unix socket; close it when done.

    Raises:
        OSError: The path is taken.
    """
    return Admin(path, {"cache": cache.stats}, lambda values: _change(cache, values))


def _change(cache: Cache, values: dict[str, Any]) -> dict[str, Any]:
    if set(values) != SETTABLE:
        raise SettingError("of a cache only protection can be set")
    wanted = values["protection"]
    wanted = _WORDS.get(wanted) if isinstance(wanted, str) else wanted
    if not isinstance(wanted, bool):
        raise SettingError("protection must be true or false")
    cache.options = replace(cache.options, protection=wanted)
    return {"protection": wanted}
