"""The site's built-in search, as it ships: Material's own worker, run unchanged in Chromium over the site's index."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from plumbline_search.corpus import Corpus
from plumbline_search.judged import Judged
from plumbline_search.relevance import Outcome
from plumbline_search.tokens import is_stop_word

WORKER = "assets/javascripts/workers/search.*.min.js"
INDEX = "search/search_index.json"
WHOLE, KEYWORDS = "site search, whole query", "site search, three words"
_CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
_MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
_WAIT_MS = 60_000

# What the theme's page script does: one set-up message with the index, then one message for each query.
_PAGE = "<!doctype html><title>worker</title>"
_SET_UP = """async ([worker, index]) => {
  const {config, docs} = await (await fetch(index)).json();
  window.worker = new Worker(worker);
  window.ask = (message) => new Promise((done, failed) => {
    window.worker.onmessage = (event) => done(event.data);
    window.worker.onerror = (event) => failed(new Error(event.message));
    window.worker.postMessage(message);
  });
  return (await window.ask({type: 0, data: {config, docs, options: {suggest: false}}})).type;
}"""
_QUERY = """async (query) =>
  (await window.ask({type: 2, data: query})).data.items.map((page) => page[0].location)"""


class SiteSearchError(Exception):
    """The site's own search cannot be run; the sentence says what is missing."""


def run(site: Path, corpus: Corpus, judged: list[Judged], *, keywords: bool = False) -> list[Outcome]:
    """Ask the site's own search all queries; it answers if it returns anything.

    Pages that the corpus leaves out, such as the generated list of all problems, are taken out of its ranking: they
    would stand before the guides, and that is not its fault.

    Args:
        site: The built site.
        corpus: Gives the pages' ids by their addresses.
        judged: The queries.
        keywords: Ask the first three words that are no stop words, which is what such a search is made for.

    Raises:
        SiteSearchError: The site is not built, or there is no Chromium or Playwright.
    """
    by_url = {page.url: page.id for page in corpus.pages}
    queries = [_keywords(one.query) if keywords else " ".join(one.query.split()) for one in judged]
    found: list[Outcome] = []
    for one, locations in zip(judged, _answers(site, queries), strict=True):
        urls = dict.fromkeys("/" + location.partition("#")[0].removeprefix("./") for location in locations)
        ranked = tuple(by_url[url] for url in urls if url in by_url)
        found.append(Outcome(one, ranked, bool(urls)))
    return found


def _keywords(query: str) -> str:
    words = [word.strip(".,:;?!()[]\"'") for word in query.split()]
    return " ".join([word for word in words if word and not is_stop_word(word)][:3])


def _answers(site: Path, queries: Iterable[str]) -> Iterator[list[str]]:
    worker = next(iter(sorted(site.glob(WORKER))), None)
    if worker is None or not (site / INDEX).is_file():
        raise SiteSearchError(f"{site}: holds no built site; build it: make site")
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        raise SiteSearchError("Playwright is not installed: pip install --group dev") from None
    with _served(site) as root, sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=_chromium(), args=["--no-sandbox", "--disable-gpu"])
            page = browser.new_page()
            page.set_default_timeout(_WAIT_MS)
            page.route(f"{root}/empty.html", lambda route: route.fulfill(body=_PAGE, content_type="text/html"))
            page.goto(f"{root}/empty.html")
            page.evaluate(_SET_UP, [f"{root}/{worker.relative_to(site).as_posix()}", f"{root}/{INDEX}"])
            for query in queries:
                yield page.evaluate(_QUERY, query)
            browser.close()
        except Error as error:
            raise SiteSearchError(f"the site's search failed in Chromium: {str(error).splitlines()[0]}") from None


def _chromium() -> str:
    found = next((path for name in _CHROMIUM if (path := shutil.which(name))), None)
    if found is None and Path(_MAC).exists():
        found = _MAC
    if found is None:
        raise SiteSearchError("there is no Chromium: sudo apt-get install chromium, or brew install chromium")
    return found


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
