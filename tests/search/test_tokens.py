from hypothesis import given
from hypothesis import strategies as st

from plumbline_search.tokens import is_stop_word, terms, words


def test_a_number_and_an_error_code_are_terms_as_they_stand():
    assert {"24", "137", "emfil"} <= set(terms("[Errno 24] exit 137 EMFILE"))


def test_a_compound_is_found_whole_and_by_its_parts():
    found = terms("net.ipv4.tcp_max_syn_backlog")
    assert found[0] == "net.ipv4.tcp_max_syn_backlog"
    assert {"net", "ipv4", "tcp", "max", "syn", "backlog"} <= set(found)


def test_camel_case_is_found_whole_and_by_its_humps():
    assert set(terms("TcpExtListenOverflows")) == {"tcpextlistenoverflow", "tcp", "ext", "listen", "overflow"}
    assert set(terms("OOMKilled")) == {"oomkil", "oom", "kill"}


def test_inflections_meet_in_one_stem():
    assert terms("connections") == terms("connecting") == terms("connected")


def test_stop_words_are_no_terms():
    assert terms("why is it the") == []
    assert is_stop_word("The")
    assert not is_stop_word("queue")


@given(st.text())
def test_any_text_has_terms_and_its_words_lie_inside_of_it(text: str):
    flat = [term for word in words(text) for term in word.terms]
    assert flat == terms(text)
    for word in words(text):
        assert 0 <= word.start < word.end <= len(text)
