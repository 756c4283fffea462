"""Read a server's metrics in the Prometheus text format: any server that offers them."""

from __future__ import annotations

import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import NamedTuple

from plumbline.evidence import Endpoint, UnavailableError

TIMEOUT_S = 3.0
LONGEST = 4 << 20  # bytes that are read of a page
_SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?\s+(\S+)")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')


class Sample(NamedTuple):
    """One line of the page.

    Args:
        name: The metric.
        labels: Its labels; escapes are left as they stand.
        value: The number.
    """

    name: str
    labels: dict[str, str]
    value: float


def samples(text: str) -> Iterator[Sample]:
    """Read the samples of a page; comments and what is no sample are skipped."""
    for line in text.splitlines():
        found = _SAMPLE.match(line)
        if found is None:
            continue
        try:
            value = float(found[3])
        except ValueError:
            continue
        yield Sample(found[1], dict(_LABEL.findall(found[2] or "")), value)


def page(endpoint: Endpoint) -> list[Sample]:
    """Get the target's metrics.

    Raises:
        UnavailableError: It names none, or they cannot be got.
    """
    url = endpoint.metrics
    if not url:
        raise UnavailableError("not_configured", "the target names no metrics; add metrics = to it")
    if not url.startswith(("http://", "https://")):
        raise UnavailableError(
            "not_configured", f"'{url}' is no address of metrics; it begins with http:// or https://"
        )
    headers = {"Authorization": f"Bearer {endpoint.token}"} if endpoint.token else {}
    trust = ssl.create_default_context(cafile=endpoint.ca) if url.startswith("https://") else None
    try:
        # The scheme was checked above, so urlopen opens no file.
        request = urllib.request.Request(url, headers=headers)  # noqa: S310
        with urllib.request.urlopen(request, timeout=TIMEOUT_S, context=trust) as answer:  # noqa: S310
            return list(samples(answer.read(LONGEST).decode("utf-8", "replace")))
    except TimeoutError:
        raise UnavailableError("timeout", f"{url} did not answer within {TIMEOUT_S:g} s") from None
    except (urllib.error.URLError, OSError) as error:
        raise UnavailableError("unreachable", f"{url} gives no metrics ({error})") from None
