"""Typed redaction: what leaves this machine is decided field by field, by the secrecy that the evidence declares."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from typing import Any
from urllib.parse import urlsplit

from plumbline.diagnosis.redact import MARK, Redactor
from plumbline.evidence import Endpoint

_SHORTEST_KNOWN = 3  # shorter names would be replaced inside ordinary words
_NUMBERS = (int, float)


class Pseudonyms:
    """Stable labels for internal values within one bundle: the same value always gets the same label.

    Labels count up in the order of first sight, so that they say nothing of the value; the map is never stored.
    """

    def __init__(self) -> None:
        self._labels: dict[tuple[str, Any], Any] = {}
        self._texts: dict[str, str] = {}
        self._taken: Counter[str] = Counter()

    def of(self, kind: str, value: Any) -> Any:
        """Return the label of a value: `<kind>-<n>` for text, n for a number."""
        number = isinstance(value, _NUMBERS)
        key = (kind if number else "", value)  # text is one person's name wherever it stands, a number is not
        if key not in self._labels:
            self._taken[kind] += 1
            self._labels[key] = self._taken[kind] if number else f"{kind}-{self._taken[kind]}"
            if not number:
                self._texts[value] = self._labels[key]
        return self._labels[key]

    def know(self, endpoint: Endpoint, hostname: str = "") -> None:
        """Learn the target's addresses, paths and pids, so that sentences that name them are scrubbed as well."""
        addresses = (
            ("url", endpoint.url),
            ("metrics", endpoint.metrics),
            *([("registry", endpoint.registry)] if "://" in (endpoint.registry or "") else []),
            *(("clock", one) for one in endpoint.clocks or ()),
        )
        for kind, value in addresses:
            if value:
                self.of(kind, value)
                host = urlsplit(value).hostname
                if host and host not in ("localhost", "127.0.0.1", "::1"):
                    self.of("host", host)
        named = ("admin", "cgroup", "model", "golden", "registry", "artefact", "exposures", "experiment", "retraining",
                 "served", "trained")  # fmt: skip
        for kind, path in (*((name, getattr(endpoint, name)) for name in named), ("host", hostname)):
            if path:
                self.of(kind, path)
        for kind, pid in (("pid", endpoint.pid), ("netns", endpoint.netns_of)):
            if pid is not None:
                self._texts[str(pid)] = f"{kind}-1"

    def scrub(self, text: str) -> str:
        """Replace every known internal value in a text by its label."""
        for value in sorted(self._texts, key=len, reverse=True):
            if len(value) >= _SHORTEST_KNOWN and value in text:
                text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", self._texts[value].replace("\\", r"\\"), text)
        return text


def secrets_in(value: Any, secrecy: str = "public") -> set[str]:
    """Return what the secret fields of a record hold, at every level, as text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = ((getattr(value, one.name), one.metadata.get("secrecy", "")) for one in dataclasses.fields(value))
        return {
            found for inner, told in fields for found in secrets_in(inner, secrecy if secrecy == "secret" else told)
        }
    if isinstance(value, tuple | list):
        return {found for inner in value for found in secrets_in(inner, secrecy)}
    if isinstance(value, dict):
        return secrets_in([*value, *value.values()], secrecy)
    return {str(value)} if secrecy == "secret" and value is not None else set()


class Typed:
    """Redacts evidence records and sentences for one bundle.

    Args:
        net: The pattern net for free text.
        names: The bundle's pseudonyms.
    """

    def __init__(self, net: Redactor, names: Pseudonyms) -> None:
        self._net = net
        self._names = names

    def text(self, text: str) -> str:
        """Redact free text: known internal values first, then the pattern net."""
        return self._net.text(self._names.scrub(text))

    def record(self, record: Any) -> Any:
        """Return a record with its secret fields emptied and its internal fields replaced by labels."""
        changes = {}
        for field in dataclasses.fields(record):
            secrecy = field.metadata.get("secrecy", "internal")  # a field that says nothing stays at home
            changes[field.name] = self._value(field.name, secrecy, getattr(record, field.name))
        return dataclasses.replace(record, **changes)

    def _value(self, name: str, secrecy: str, value: Any) -> Any:
        if isinstance(value, tuple | list):
            return type(value)(self._value(name, secrecy, one) for one in value)
        if isinstance(value, dict):
            return {self._value(name, secrecy, key): self._value(name, secrecy, one) for key, one in value.items()}
        if dataclasses.is_dataclass(value) and secrecy != "secret":
            return self.record(value)
        if value is None or isinstance(value, bool):
            return value
        if secrecy == "secret":
            self._net.counts["secret field"] += 1
            return 0 if isinstance(value, _NUMBERS) else MARK
        if secrecy == "internal":
            self._net.counts["internal field"] += 1
            return self._names.of(name.replace("_", "-"), value)
        return self.text(value) if isinstance(value, str) else value
