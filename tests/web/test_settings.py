"""The app listens beyond loopback only with token, TLS and a name."""

from __future__ import annotations

import pytest

from plumbline.web.pages import policy
from plumbline.web.settings import SettingsError, WebSettings, check_bind, is_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_loopback_needs_nothing(host: str) -> None:
    check_bind(host, token=None, tls=False, names=frozenset())
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.org"])
def test_a_remote_bind_is_refused_and_says_what_is_missing(host: str) -> None:
    with pytest.raises(SettingsError, match=r"a token .*, TLS .*, the name"):
        check_bind(host, token=None, tls=False, names=frozenset())


def test_a_remote_bind_with_token_tls_and_name_is_allowed() -> None:
    check_bind("0.0.0.0", token="t" * 32, tls=True, names=frozenset({"plumb.example"}))
    assert not is_loopback("0.0.0.0")


def test_the_token_is_not_in_the_settings_representation(tmp_path) -> None:
    settings = WebSettings(tmp_path, token="canary-token")
    assert "canary-token" not in repr(settings)


def test_the_policy_names_inline_scripts_by_hash_and_no_others() -> None:
    html = b"<script src='a.js'></script><script>one()</script><script type=module>two()</script><script> </script>"
    text = policy(html)
    assert text.count("sha256-") == 2
    assert "unsafe-inline" not in text.partition("style-src")[0]
