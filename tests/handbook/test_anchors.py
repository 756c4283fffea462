"""Anchors are those that the site's own table of contents makes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from markdown import Markdown

from plumbline.handbook.sections import outline

EXTENSIONS = ["attr_list", "admonition", "tables", "toc", "pymdownx.superfences", "pymdownx.tabbed"]


def flat(tokens: list[dict]) -> list[tuple[int, str]]:
    return [entry for token in tokens for entry in [(token["level"], token["id"]), *flat(token["children"])]]


def site_anchors(text: str) -> list[tuple[int, str]]:
    document = Markdown(extensions=EXTENSIONS, extension_configs={"pymdownx.tabbed": {"alternate_style": True}})
    document.convert(text)
    return flat(document.toc_tokens)


def our_anchors(text: str) -> list[tuple[int, str]]:
    return [(heading.level, heading.anchor) for heading in outline(text).headings]


WORDS = st.lists(
    st.sampled_from(
        ["Fix", "Fix it", "Para", "the queue", "`overflow`", "**now**", "_slow_", "a_b_c", "[link](x.md)", "R&D",
         "&amp;", "Größe", "4008", "C#", "x > y", "it's", "\\*", "Fix", "!", "“q”", "…", "50 %", "--set k=v", "(1)"]
    ),
    min_size=1,
    max_size=4,
).map(" ".join)  # fmt: skip
HEADING = st.builds(
    lambda level, words, tail: f"{'#' * level} {words}{tail}",
    st.integers(1, 6),
    WORDS,
    st.sampled_from(["", "", "", " ##", " {#given}", " {: #other-id .c }", " {.only-class}"]),
)
SETEXT = st.builds(lambda words, mark: f"{words}\n{mark}", WORDS, st.sampled_from(["===", "---"]))
OTHER = st.sampled_from(
    [
        "Some prose.",
        "```bash\n# no heading\n```",
        "~~~\n## none\n\n## none\n~~~",
        "    # code, indented",
        "| a | b |\n| --- | --- |\n| # | x |",
        "<!-- # hidden -->",
        "<!--\n\n# hidden\n\n-->",
        "Text\n# heading amid a paragraph",
        '=== "nginx"\n\n    ### In a tab\n\n    ```\n    # none\n    ```',
        '!!! warning "Careful"\n\n    #### In an admonition\n\n        # code in it',
        "- item\n\n    ## In a list",
        "#",
        "`# span`",
        "<pre>\n# raw\n</pre>",
        "``` {.bash .fix #fix-it}\necho '# no'\n```",
        "A paragraph with an id.\n{: #para }",
    ]
)
PAGES = st.lists(HEADING | SETEXT | OTHER, max_size=8).map("\n\n".join)


@given(PAGES)
def test_every_heading_has_the_anchor_that_the_site_gives_it(text: str) -> None:
    assert our_anchors(text) == site_anchors(text)


@given(PAGES)
def test_front_matter_moves_lines_but_no_anchor(text: str) -> None:
    with_front = outline(f"---\ntitle: x\n---\n{text}")
    assert [heading.anchor for heading in with_front.headings] == [anchor for _, anchor in our_anchors(text)]
    assert [heading.line - 3 for heading in with_front.headings] == [heading.line for heading in outline(text).headings]


@given(PAGES)
def test_anchors_are_unique_unless_the_page_itself_gives_one_twice(text: str) -> None:
    page = outline(text)
    anchors = [heading.anchor for heading in page.headings]
    assert len(anchors) == len(set(anchors)) or page.duplicates


@given(PAGES, WORDS)
def test_what_is_added_below_moves_no_anchor_above(text: str, words: str) -> None:
    before = our_anchors(f"{text}\n\nEnd.")
    assert our_anchors(f"{text}\n\nEnd.\n\n## {words}\n")[: len(before)] == before


@given(st.text(alphabet=st.sampled_from('#`~-= \n{}<>!|/[]()a1*_.:"\\é\t'), max_size=200))
def test_arbitrary_text_has_an_outline(text: str) -> None:
    page = outline(text)
    assert all(1 <= heading.line <= text.count("\n") + 1 for heading in page.headings)
    assert len(page.prose) == len(page.body)
