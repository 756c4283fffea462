"""Guides as resources: `plumbline://guide/<id>`."""

from __future__ import annotations

from mcp_types import Resource, ResourceTemplate

from plumbline.assistant import guides
from plumbline.assistant.refusals import RefusedError
from plumbline.handbook import Handbook

SCHEME = "plumbline://guide/"
MARKDOWN = "text/markdown"
TEMPLATE = ResourceTemplate(
    name="guide",
    title="Troubleshooting guide",
    uri_template=f"{SCHEME}{{id}}",
    description="A guide of the handbook as Markdown, by its id.",
    mime_type=MARKDOWN,
)


def listed(handbook: Handbook) -> list[Resource]:
    """Return all guides, in the order of their ids."""
    return [
        Resource(
            name=guide.id,
            title=guide.title,
            uri=f"{SCHEME}{guide.id}",
            description=guide.front.description,
            mime_type=MARKDOWN,
        )
        for _, guide in sorted(handbook.guides.items())
    ]


def read(handbook: Handbook, uri: str) -> str:
    """Return the Markdown of a guide.

    Raises:
        RefusedError: The address is no guide's.
    """
    if not uri.startswith(SCHEME):
        raise RefusedError(f"'{uri}' is no resource of this server; guides are {SCHEME}<id>")
    return guides.read(handbook, uri.removeprefix(SCHEME)).markdown
