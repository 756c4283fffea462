"""A section's text holds what its reader can read: prose, cells, tabs, code, and what blocks stand for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from plumbline.handbook.prose import plain
from plumbline.handbook.sections import outline, sections

PAGE = """---
title: Clients stall
description: never in a text
---

Before any heading.

## Fix **now** {#fix}

Raise [the *limit*](../x.md#a) with `plumb gateway set queue_max_bytes=1`, not `a_b_c`.

| evidence | cause |
| --- | :--: |
| `queued_bytes` > 0.8 | slow \\| reader |

=== "nginx"

    ``` {.nginx #n}
    proxy_read_timeout 60s; # *keep* __this__
    ```

!!! warning "Careful"
    It drops.

/// diagnostic | streaming.slow-consumer
///

### Deeper

Text<br>here &amp; there.
"""


def test_sections_have_heading_level_anchor_breadcrumb_and_line() -> None:
    parts = sections(outline(PAGE), "Clients stall")
    assert [(part.heading, part.anchor, part.level, part.breadcrumb, part.line) for part in parts] == [
        ("Clients stall", "", 1, (), 5),
        ("Fix now", "fix", 2, ("Clients stall",), 8),
        ("Deeper", "deeper", 3, ("Clients stall", "Fix now"), 28),
    ]


def test_text_holds_table_code_tab_and_block_content_but_no_front_matter_and_no_markup() -> None:
    told = {("diagnostic", "streaming.slow-consumer"): "Is one consumer slow?"}
    before, fix, deeper = sections(outline(PAGE), "Clients stall", told)
    assert before.text == "Before any heading."
    assert fix.text.split("\n") == [
        "Raise the limit with plumb gateway set queue_max_bytes=1, not a_b_c.",
        "evidence cause",
        "queued_bytes > 0.8 slow | reader",
        "nginx",
        "proxy_read_timeout 60s; # *keep* __this__",
        "Careful",
        "It drops.",
        "Is one consumer slow?",
    ]
    assert deeper.text == "Texthere & there."


@given(st.text(max_size=200))
def test_any_text_becomes_plain_text(text: str) -> None:
    assert "\x00" not in plain(text, {})


@given(
    st.lists(
        st.sampled_from(["if [ $a = *b* ]; then", "__init__ | cut -d_ -f1", "# `x`", "<b>"]), min_size=1, max_size=4
    )
)
def test_code_is_kept_as_it_stands(rows: list[str]) -> None:
    code = "\n".join(rows)
    assert code in plain(f"**Do**:\n\n```sh\n{code}\n```\n", {})
