"""The page of the HTTP interface, from the app's own OpenAPI description."""

from __future__ import annotations

from typing import Any

from plumbline.handbook.pages.markdown import escaped, page, table

_METHODS = ("get", "post", "put", "patch", "delete")


def http_page(openapi: dict[str, Any] | None) -> str:
    """Return the page.

    Args:
        openapi: What `GET /api/openapi.json` answers; None when the app is not installed here.
    """
    title, told = "HTTP", "Every path that plumb up serves beside the site."
    if openapi is None:
        return page(
            title, told, "The app is not installed where this page was written: `pip install 'plumbline[web]'`."
        )
    operations = [
        (path, method.upper(), operation)
        for path, item in sorted(openapi.get("paths", {}).items())
        for method, operation in item.items()
        if method in _METHODS
    ]
    index = table(
        ["Request", "What it does"],
        ([f"`{method} {path}`", escaped(_in_short(operation))] for path, method, operation in operations),
    )
    return page(
        title,
        told,
        "`plumb up` serves these on 127.0.0.1 and describes them at `/api/openapi.json`.",
        index,
        *(part for path, method, operation in operations for part in _one(path, method, operation)),
    )


def _one(path: str, method: str, operation: dict[str, Any]) -> list[str]:
    parameters = [
        [f"`{one.get('name')}`", str(one.get("in")), "yes" if one.get("required") else "no", escaped(_about(one))]
        for one in operation.get("parameters", [])
    ]
    answers = [[code, escaped(str(one.get("description", "")))] for code, one in operation.get("responses", {}).items()]
    return [
        f"## {method} {escaped(path)}",
        escaped(str(operation.get("description") or operation.get("summary", ""))),
        table(["Parameter", "In", "Required", "Meaning"], parameters) if parameters else "",
        table(["Answer", "Meaning"], answers) if answers else "",
    ]


def _about(parameter: dict[str, Any]) -> str:
    schema = parameter.get("schema", {})
    told = str(parameter.get("description") or schema.get("description") or "")
    default = schema.get("default")
    return f"{told} (default `{default}`)".strip() if default is not None else told


def _in_short(operation: dict[str, Any]) -> str:
    """Return the first line of what the operation says of itself."""
    return str(operation.get("description") or operation.get("summary", "")).partition("\n")[0]
