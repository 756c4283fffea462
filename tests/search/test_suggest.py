from hypothesis import given
from hypothesis import strategies as st

from plumbline_search.corpus import Corpus, Page, Section
from plumbline_search.suggest import Suggester


def section(heading: str, anchor: str) -> Section:
    return Section(heading, anchor, (), "", "guide")


SUGGESTER = Suggester(
    Corpus.of(
        [
            Page(
                "a",
                "guide",
                "Slow consumer",
                "/a/",
                (section("Symptom", "symptom"), section("Bound the queue", "bound")),
            ),
            Page("b", "page", "Queue settings", "/b/", (section("Queue settings", ""),)),
        ]
    )
)


def texts(typed: str, limit: int = 8) -> list[str]:
    return [one["text"] for one in SUGGESTER.suggest(typed, limit)]


def test_the_last_word_may_be_a_beginning():
    assert texts("slow con")[0] == "Slow consumer"
    assert texts("consumer slo")[0] == "Slow consumer"


def test_all_words_must_be_there():
    assert texts("slow settings") == []


def test_a_guide_stands_before_another_page():
    assert texts("queue") == ["Bound the queue", "Queue settings"]


def test_a_heading_is_found_by_its_pages_title_and_leads_to_its_anchor():
    assert SUGGESTER.suggest("slow symptom")[0]["url"] == "/a/#symptom"


def test_no_word_gives_no_suggestion_and_the_limit_holds():
    assert texts("") == texts("…!") == []
    assert len(texts("queue", limit=1)) == 1


@given(st.text(max_size=300))
def test_anything_may_be_typed(typed: str):
    assert all(one["url"].startswith("/") for one in SUGGESTER.suggest(typed))
