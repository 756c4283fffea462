"""Correction, phrases, snippets and chunks."""

from hypothesis import given
from hypothesis import strategies as st

from plumbline_search.chunks import LONGEST, chunks, pieces
from plumbline_search.corpus import Corpus, Page, Section
from plumbline_search.correction import Speller
from plumbline_search.kinds import Kind
from plumbline_search.phrases import holds, phrases_of
from plumbline_search.snippets import LENGTH, snippet
from plumbline_search.tokens import terms

VOCABULARY = ("consumer", "descriptor", "gateway", "memory", "overflow", "queue")
SPELLER = Speller(VOCABULARY, lambda word: word in VOCABULARY)


def page(text: str, title: str = "Title", sentences: tuple[str, ...] = ()) -> Page:
    return Page("id", "guide", title, "/u/", (Section("Heading", "heading", (title,), text, "guide", sentences),))


def test_only_words_without_a_hit_are_corrected():
    assert SPELLER.correct("the gatway queue has an overflwo") == "the gateway queue has an overflow"
    assert SPELLER.correct("gateway queue") is None


def test_far_words_names_in_capitals_identifiers_and_quotes_are_left_alone():
    for query in ("kubernetes", "GATWAY", "gatway_limit", '"gatway"', "que"):
        assert SPELLER.correct(query) is None, query


def test_two_letters_that_changed_places_at_the_front_are_forgiven():
    assert SPELLER.correct("ocnsumer") == "consumer"


def test_a_long_word_may_have_two_slips_and_a_short_one_only_one():
    assert SPELLER.correct("discriptar") == "descriptor"
    assert SPELLER.correct("mamori") is None


def test_a_quoted_phrase_of_a_question_is_literal():
    assert phrases_of('why "Slow  Consumer" and "write deadline"', Kind.QUESTION) == ["slow consumer", "write deadline"]
    assert phrases_of('"too many open files"', Kind.ERROR) == ["too many open files"]


def test_quotes_inside_of_an_error_are_part_of_it():
    assert phrases_of('request: "GET /ws HTTP/1.1", host: "app"', Kind.ERROR) == []


def test_a_page_holds_a_phrase_whatever_its_case_and_spacing():
    assert holds(page("the Write   Deadline was exceeded"), ["write deadline"])
    assert not holds(page("the deadline to write"), ["write deadline"])


@given(st.text(max_size=2000), st.text(max_size=50), st.integers(20, 400))
def test_highlights_lie_in_the_snippet_and_are_words_of_the_query(text: str, query: str, length: int):
    wanted = set(terms(query))
    cut = snippet(text, wanted, lambda _: 1.0, length)
    assert len(cut.text) <= length
    for start, end in cut.highlights:
        assert wanted.intersection(terms(cut.text[start:end]))


def test_the_snippet_shows_the_rarest_words_together():
    text = "common " * 100 + "the rare word stands here. " + "common " * 100
    cut = snippet(text, {"common", "rare", "word"}, {"common": 0.1, "rare": 3.0, "word": 2.0}.__getitem__)
    assert "rare word" in cut.text
    assert cut.text.startswith("…")
    assert cut.text.endswith("…")
    assert len(cut.text) <= LENGTH


def test_a_section_without_a_hit_shows_its_beginning():
    assert snippet("First words. " * 40, {"absent"}, lambda _: 1.0).text.startswith("First words.")


@given(st.lists(st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=40), max_size=400))
def test_pieces_hold_every_word_and_none_is_too_long(words: list[str]):
    found = pieces(" ".join(words))
    assert all(len(piece) <= LONGEST for piece in found)
    assert set(words) <= {word for piece in found for word in piece.split(" ")}


def test_a_chunk_carries_the_headings_that_lead_to_it_and_each_symptom_is_a_chunk_of_its_own():
    made = chunks(Corpus.of([page("Text of it.", sentences=("The feed freezes.",))]))
    assert [chunk.text for chunk in made] == ["Title > Heading\nText of it.", "The feed freezes."]
    assert made[0].digest != made[1].digest
