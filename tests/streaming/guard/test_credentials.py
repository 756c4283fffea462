"""Where a token is found in a request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.streaming.core.credentials import presented, subprotocols, without_token


@pytest.mark.parametrize(
    ("request_", "found"),
    [
        (("Bearer a.b.c", "", None), ("a.b.c", "header")),
        (("bearer  a.b.c ", "token=other", None), ("a.b.c", "header")),
        (("Basic eDp5", "token=a.b.c&hello=1", None), ("a.b.c", "address")),
        ((None, "hello=1", "plumbline.v2, bearer.a.b.c"), ("a.b.c", "subprotocol")),
    ],
)
def test_a_token_is_found_where_clients_can_put_it(request_, found):
    shown = presented(*request_)
    assert (shown.token, shown.by) == found
    assert shown.by_script == (found[1] != "header")
    assert "a.b.c" not in repr(shown)


@pytest.mark.parametrize("request_", [(None, "", None), ("Bearer ", "token=", "plumbline.v2"), ("Digest x", "t=1", "")])
def test_without_a_token_there_is_none(request_):
    assert presented(*request_) is None


def test_subprotocols_are_a_list_in_the_clients_order():
    assert subprotocols(" a,b , ,c") == ["a", "b", "c"]
    assert subprotocols(None) == []


@given(st.text("abc.-_0", min_size=1, max_size=30))
def test_an_address_that_is_shown_has_no_token(token):
    assert without_token(f"/ws?hello=1&token={token}&x=2") == "/ws?hello=1&token=…&x=2"
    assert without_token(f"token={token}") == "token=…"


@given(st.text(), st.text(), st.text())
def test_any_headers_are_survived(authorization, query, offered):
    shown = presented(authorization, query, offered)
    assert shown is None or shown.token
