"""`llms.txt`: the handbook's contents for language models, one line per page."""

from __future__ import annotations

from collections.abc import Mapping

from plumbline.handbook.load import GENERATED, Guide, Handbook, Page, page_url
from plumbline.handbook.sections import split_front
from plumbline.positions import parse

_SECTIONS = {"ml": "ML lifecycle", "infrastructure": "Infrastructure", "reference": "Reference", "proof": "Proof"}


def llms_txt(handbook: Handbook, generated: Mapping[str, str]) -> str:
    """Return the file, as llmstxt.org describes it; addresses are relative to the site's root.

    Args:
        handbook: Guides and pages.
        generated: Generated pages, by name.
    """
    lines = [
        "# Plumbline",
        "",
        "> An ML-platform handbook that can be run, and that is proven: each guide's fault was injected into the real",
        "> component, its diagnostic went red, search found the guide, and the guide's own steps made it green again.",
        "",
        'Search a symptom, a log line or a stack trace: `GET /api/search?q=...` or `plumb search "..."`.',
        "Check a platform (it only reads): `plumb diagnose ID --target NAME`.",
        "",
        "## Troubleshooting",
        "",
    ]
    lines += [_guide(guide) for guide in handbook.guides.values()]
    for folder, title in _SECTIONS.items():
        pages = [page for page in handbook.pages.values() if page.source.startswith(f"docs/{folder}/")]
        if pages:
            lines += [
                "",
                f"## {title}",
                "",
                *(f"- [{page.title}]({page.url.lstrip('/')}){_told(handbook, page)}" for page in pages),
            ]
    lines += ["", "## Generated reference", "", *(_generated(name, text) for name, text in generated.items())]
    return "\n".join(lines) + "\n"


def _generated(name: str, text: str) -> str:
    front = parse(split_front(text)[0] or "").data
    address = page_url(f"{GENERATED}/{name}").lstrip("/")
    return f"- [{front['title']}]({address}): {front['description']}"


def _guide(guide: Guide) -> str:
    cited = ", ".join(guide.front.diagnostics)
    return f"- [{guide.title}]({guide.url.lstrip('/')}): {guide.front.description} Diagnostics: {cited}."


def _told(handbook: Handbook, page: Page) -> str:
    located = handbook.located.get(page.source)
    data = located.data if located else None
    told = data.get("description") if isinstance(data, dict) else None
    return f": {told}" if told else ""
