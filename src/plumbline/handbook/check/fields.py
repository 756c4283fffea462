"""Keys of `plumbline.toml` and of gateway configuration that pages show."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from plumbline.handbook.check.view import View
from plumbline.handbook.complaints import Complaint, unknown
from plumbline.handbook.fences import Fence
from plumbline.handbook.load import Page


def check(view: View) -> Iterator[Complaint]:
    """Yield unknown keys, and values that a key does not take."""
    for page in view.pages():
        for fence in page.outline.fences:
            if "toml" not in fence.info or fence.code is None:
                continue
            if "[targets." in fence.code or "plumbline.toml" in fence.info:
                yield from _targets(page, fence)
            elif "gateway" in fence.info:
                yield from _gateway(page, fence)


def setting_fault(key: str, value: str | None) -> str | None:
    """Say what is wrong with a gateway setting, or one of a cache's admin socket; None when nothing is.

    Args:
        key: The setting.
        value: Its value as text; None when the page shows a placeholder.
    """
    from plumbline.streaming.cluster.cacheadmin import SETTABLE
    from plumbline.streaming.core.rules import PREFIX
    from plumbline.streaming.core.settings import SettingError, Settings, kinds

    known = kinds()
    if key.startswith(PREFIX):
        return _rule_fault(key, value)
    if key in SETTABLE:
        return None
    if key not in known:
        return unknown("gateway setting", key, known)
    if value is None:
        return None
    try:
        Settings().changed({key: value})
    except SettingError as error:
        return f"gateway setting '{key}={value}': {error}"
    return None


def _rule_fault(key: str, value: str | None) -> str | None:
    """Say what is wrong with `channels.<pattern>.<setting>`."""
    from plumbline.streaming.core.settings import SettingError, Settings

    try:
        Settings().changed({key: "" if value is None else value})  # an empty text takes a value away, if there is such
    except SettingError as error:
        return f"gateway setting '{key}': {error}"
    return None


def _targets(page: Page, fence: Fence) -> Iterator[Complaint]:
    from plumbline.diagnosis.targets import Target

    document = _read(fence)
    if isinstance(document, Complaint):
        yield Complaint(page.source, document.line, document.sentence)
        return
    for key in document:
        if key != "targets":
            said = unknown("plumbline.toml key", key, ["targets"])
            yield Complaint(page.source, _line(fence, key), said)
    tables = document.get("targets", {})
    for name, table in tables.items() if isinstance(tables, dict) else []:
        try:
            Target.model_validate(table)
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                key = str(detail["loc"][0]) if detail["loc"] else name
                if detail["type"] == "extra_forbidden":
                    said = unknown("plumbline.toml key", key, Target.model_fields)
                else:
                    said = f"plumbline.toml key '{key}': {detail['msg'].lower()}"
                yield Complaint(page.source, _line(fence, key), said)


def _gateway(page: Page, fence: Fence) -> Iterator[Complaint]:
    document = _read(fence)
    if isinstance(document, Complaint):
        yield Complaint(page.source, document.line, document.sentence)
        return
    for key, value in _flat(document):
        said = setting_fault(key, str(value) if isinstance(value, str | int | float) else None)
        if said:
            yield Complaint(page.source, _line(fence, key.rpartition(".")[2]), said)


def _flat(document: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield settings; those of channel rules as `channels.<pattern>.<setting>`."""
    for key, value in document.items():
        if key == "channels" and isinstance(value, dict):
            for pattern, rules in value.items():
                for name, one in rules.items() if isinstance(rules, dict) else []:
                    yield f"channels.{pattern}.{name}", one
        else:
            yield key, value


def _read(fence: Fence) -> dict[str, Any] | Complaint:
    try:
        return tomllib.loads(fence.code or "")
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        return Complaint("", fence.line, f"is no TOML: {error}")


def _line(fence: Fence, key: str) -> int:
    found = re.search(rf"^[ \t]*\[?[\w.]*?\b{re.escape(key)}\b", fence.code or "", re.MULTILINE)
    return fence.line + 1 + ((fence.code or "").count("\n", 0, found.start()) if found else 0)
