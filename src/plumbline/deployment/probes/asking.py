"""Ask any server of the Open Inference Protocol, version 2, over HTTP: what does it declare, what does it answer?"""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from plumbline.evidence import Endpoint, UnavailableError

_MOST_BYTES = 4 << 20
SPENT_S = 12.0
"""So long all questions of one reading may take together: a diagnostic has 40 s, and may read twice."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, or a refusal.

    Args:
        status: Of HTTP.
        outputs: Flat values by output; None: not in the form of the protocol. NaN may stand in the JSON, as Python
            writes it.
        reason: Machine-readable reason of a refusal; empty: none was given.
        sentence: What a refusal said, 200 characters at most.
        value: The whole JSON value; None: it is none.
    """

    status: int
    outputs: Mapping[str, tuple[Any, ...]] | None = None
    reason: str = ""
    sentence: str = ""
    value: Any = field(default=None, repr=False)

    @property
    def given(self) -> bool:
        """Whether it is an answer."""
        return self.status < 400 and self.outputs is not None


class Server:
    """One model on one server; all questions share a time limit.

    Args:
        endpoint: With `url` and `model`.

    Raises:
        UnavailableError: The address is none of HTTP.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        parts = urlsplit(endpoint.url or "")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UnavailableError("not_configured", "the target's url is no http:// or https:// address")
        self._parts, self._ca = parts, endpoint.ca
        self._path = f"{parts.path.rstrip('/')}/v2/models/{quote(endpoint.model or '', safe='')}"
        self._headers = {"Content-Type": "application/json"}
        if endpoint.token:
            self._headers["Authorization"] = f"Bearer {endpoint.token}"
        self._patience_s = max(endpoint.patience_s, 1.0)
        self._ends = time.monotonic() + SPENT_S

    @property
    def in_time(self) -> bool:
        """Whether there is time for one more question."""
        return time.monotonic() < self._ends

    def infer(self, body: Any) -> Reply:
        """Ask a question.

        Raises:
            UnavailableError: Nobody answers, or not in time.
        """
        return self._request("POST", f"{self._path}/infer", json.dumps(body).encode())

    def metadata(self) -> Reply:
        """Ask what the model takes and gives.

        Raises:
            UnavailableError: Nobody answers, or not in time.
        """
        return self._request("GET", self._path)

    def _request(self, verb: str, path: str, body: bytes | None = None) -> Reply:
        connection = self._connection()
        try:
            connection.request(verb, path, body, self._headers)
            answer = connection.getresponse()
            return reply(answer.status, answer.read(_MOST_BYTES))
        except TimeoutError:
            raise UnavailableError("timeout", f"the model server did not answer in {self._patience_s:g} s") from None
        except (OSError, http.client.HTTPException) as error:
            raise UnavailableError("unreachable", f"the model server does not answer: {error}") from None
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        host, port = str(self._parts.hostname), self._parts.port
        if self._parts.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=self._patience_s)
        trust = ssl.create_default_context(cafile=self._ca)
        return http.client.HTTPSConnection(host, port, timeout=self._patience_s, context=trust)


def reply(status: int, body: bytes) -> Reply:
    """Read an answer of any server: what is not as the protocol says has no outputs."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return Reply(status, sentence=body[:200].decode(errors="replace"))
    if status >= 400:
        told = value if isinstance(value, dict) else {}
        words = told.get("error") or told.get("detail") or told.get("message") or value
        return Reply(status, None, str(told.get("reason", "")), str(words)[:200], value)
    try:
        outputs = {str(one["name"]): tuple(_flat(one["data"])) for one in value["outputs"]}
    except (KeyError, TypeError):
        return Reply(status, value=value)
    return Reply(status, outputs, value=value)


def _flat(data: Any) -> list[Any]:
    """Return nested lists as one; values that are no list stay."""
    return [value for one in data for value in (_flat(one) if isinstance(one, list) else [one])]
