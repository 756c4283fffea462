"""The pattern net: takes secrets out of free text, after typed redaction has dropped what is secret by its field.

Every pattern is linear in the length of the text: bounded repeats, and a start that cannot lie inside a run of its own
characters. Redacting twice gives the same text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from plumbline.evidence import Endpoint, ProbeChannel

MARK = "[redacted]"
MAX_CHARACTERS = 64 * 1024
_CUT = " [… cut]"
_PASSES = 8
_SHORTEST_LITERAL = 4  # shorter secrets would blank out ordinary words
Replacement = str | Callable[[re.Match[str]], str]


@dataclass(frozen=True, slots=True)
class Rule:
    """One shape of secret.

    Args:
        name: For the count in a bundle's manifest.
        pattern: What it looks like.
        replacement: What stands there afterwards; it must not match again as something else.
        personal: True if it is private rather than secret (addresses of people, home folders): redacted only in what
            leaves this machine.
    """

    name: str
    pattern: re.Pattern[str]
    replacement: Replacement
    personal: bool = False


def _query(match: re.Match[str]) -> str:
    """Empty the values of query and fragment; the whole address is matched, so that no text is scanned twice."""
    address, sign, rest = match[0], "", ""
    for position, letter in enumerate(address):
        if letter in "?#":
            address, sign, rest = address[:position], letter, address[position + 1 :]
            break
    parts = (f"{part.partition('=')[0]}={MARK}" if "=" in part else MARK for part in rest.split("&"))
    return f"{address}{sign}{'&'.join(parts)}" if rest else match[0]


def _quoted(match: re.Match[str]) -> str:
    quote = match["value"][0] if match["value"][0] in "\"'" else ""
    return f"{match['key']}{quote}{MARK}{quote}"


_HEADERS = r"(?:proxy-)?authorization|(?:set-)?cookie2?|x-[a-z-]{0,30}(?:token|key|secret|signature)"
_KEYS = (
    r"pass(?:word|wd|phrase)|pwd|secret|token|dsn|credentials?"
    r"|api[_-]?key|access[_-]?key|private[_-]?key|session[_-]?id"
)
_CLOUD = (
    r"A[KS]IA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{20,255}|github_pat_\w{20,255}|glpat-[\w-]{20,255}"
    r"|xox[abprs]-[A-Za-z0-9-]{10,255}|AIza[\w-]{35}|sk-[\w-]{20,255}|hf_[A-Za-z0-9]{30,255}"
    r"|npm_[A-Za-z0-9]{30,255}|pypi-[\w-]{30,255}"
)
RULES = (
    Rule("pem", re.compile(r"-----BEGIN ([A-Z0-9 ]{1,40})-----[\s\S]*?(?:-----END \1-----|\Z)"), MARK),
    Rule("header", re.compile(rf"(?i)(?<![\w-])((?:{_HEADERS})[\"']?\s{{0,3}}[:=])[^\r\n]+"), rf"\1 {MARK}"),
    Rule("url-user", re.compile(r"(?i)(?<![a-z0-9+.-])([a-z][a-z0-9+.-]{0,20}://)[^\s/?#\"'<>]*@"), rf"\1{MARK}@"),
    Rule(
        "url-query",
        re.compile(r"(?i)(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,20}://[^\s\"'<>]*"),
        _query,
    ),
    Rule("query", re.compile(r"([?&][\w.~%-]{1,64}=)(?!\[redacted\])[^\s&#\"'<>]+"), rf"\1{MARK}"),
    Rule(
        "key-value",
        re.compile(
            rf"(?i)(?P<key>[\"']?(?<![\w.-])[\w.-]{{0,40}}?(?:{_KEYS})[\w.-]{{0,40}}[\"']?\s{{0,3}}[:=]\s{{0,3}})"
            r"(?![\"']?\[redacted\])(?P<value>\"[^\"\n]*\"|'[^'\n]*'|[^\s,;&\"'}\])]+)"
        ),
        _quoted,
    ),
    Rule("jwt", re.compile(r"(?<![\w-])eyJ[\w-]{5,}\.[\w-]{5,}(?:\.[\w-]*)?"), MARK),
    Rule("bearer", re.compile(r"(?i)\b(bearer\s{1,3})(?!\[redacted\])[\w.~+/=-]{8,}"), rf"\1{MARK}"),
    Rule("cloud-key", re.compile(rf"(?<![\w-])(?:{_CLOUD})"), MARK),
    Rule("e-mail", re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"), MARK, personal=True),
    Rule(
        "address",  # loopback says nothing of anybody
        re.compile(r"(?<![\w.])(?!127\.|0\.0\.0\.0)\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?![\w.])"),
        MARK,
        personal=True,
    ),
    Rule("address-6", re.compile(r"(?i)(?<![\w:.])(?:[0-9a-f]{1,4}:){4,7}[0-9a-f]{1,4}(?![\w:])"), MARK, personal=True),
    Rule("home", re.compile(r"(?<![\w.])(/home/|/Users/)(?!\[redacted\])[^/\s:;,\"'<>]+"), rf"\1{MARK}", personal=True),
    Rule(
        "long-random",  # 32 characters and more that mix letters and digits: digests, keys, tickets
        re.compile(r"(?<![A-Za-z0-9_+=-])(?=[A-Za-z_+=-]{0,64}[0-9])(?=[0-9_+=-]{0,64}[A-Za-z])[A-Za-z0-9_+=-]{32,}"),
        MARK,
        personal=True,
    ),
)


class Redactor:
    """Redacts texts and counts what each rule did.

    Args:
        literals: Secrets that are known (a target's token): they go wherever they stand.
        personal: Take out private data too, as for a bundle.
    """

    def __init__(self, literals: Iterable[str] = (), *, personal: bool = False) -> None:
        known = {literal for literal in literals if len(literal) >= _SHORTEST_LITERAL and literal not in MARK}
        self._literals = sorted(known, key=len, reverse=True)
        self._rules = [rule for rule in RULES if personal or not rule.personal]
        self.counts: Counter[str] = Counter()

    def text(self, text: str) -> str:
        """Return the text without its secrets, cut to `MAX_CHARACTERS`."""
        if len(text) > MAX_CHARACTERS:
            text = text[: MAX_CHARACTERS - len(_CUT)].removesuffix(_CUT) + _CUT
            self.counts["cut"] += 1
        for literal in self._literals:
            if literal in text:
                self.counts["literal"] += text.count(literal)
                text = text.replace(literal, MARK)
        for _ in range(_PASSES):  # what one rule leaves may let another see more
            before = text
            for rule in self._rules:
                text = self._apply(rule, text)
            if text == before:
                break
        return text

    def _apply(self, rule: Rule, text: str) -> str:
        def replaced(match: re.Match[str]) -> str:
            new = match.expand(rule.replacement) if isinstance(rule.replacement, str) else rule.replacement(match)
            self.counts[rule.name] += new != match[0]
            return new

        return rule.pattern.sub(replaced, text)


def text(text: str) -> str:
    """Return one text without secrets; private data stays."""
    return Redactor().text(text)


def secrets_of(endpoint: Endpoint) -> set[str]:
    """Return the secrets that an endpoint holds: its token, user-info and query values, what may be one in `fanout`."""
    found = {endpoint.token or "", *_words(endpoint.fanout)}
    for address in filter(None, (endpoint.url, endpoint.metrics)):
        parts = urlsplit(address)
        user, password = parts.username or "", parts.password or ""
        values = [value for _, value in parse_qsl(parts.query, keep_blank_values=True)]
        found |= {password, unquote(password), *values} | ({user} if not password else set())
    return found - {""}


def _words(channel: ProbeChannel | None) -> set[str]:
    """Return the words of a probe's texts that could be a secret: long ones that have a digit, and the whole texts."""
    texts = [one for one in (channel.publish, channel.subscribe) if one] if channel else []
    words = {word for one in texts for word in re.findall(r"[^\s\"'{}:,;=]{8,}", one)}
    return {word for word in words if re.search(r"\d", word)} | {one for one in texts if len(one) > len("{probe}")}
