"""The built site, with a content security policy per page that names its inline scripts by their hashes."""

from __future__ import annotations

import hashlib
import os
import re
from base64 import b64encode
from functools import lru_cache
from html import escape
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

_INLINE = re.compile(rb"<script(?P<attributes>(?:\s[^>]*)?)>(?P<code>.*?)</script>", re.DOTALL)
_POLICY = (
    "default-src 'self'; script-src 'self'{hashes}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "worker-src 'self' blob:; connect-src 'self'; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'"
)
NOT_BUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>The site is not built</title><h1>The site is not built yet</h1>
<p>{how}. Then reload this page. Search and diagnostics answer meanwhile:
<code>plumb search "…"</code>, <code>plumb diagnose</code>.</p></html>"""


def is_built(folder: Path) -> bool:
    """Say whether a site stands in the folder."""
    return (folder / "index.html").is_file()


def how_to_build(root: Path) -> str:
    """Return one sentence that says how the site of this catalogue is built; a wheel brings pages, but no builder."""
    if (root / "mkdocs.yml").is_file():
        return f"build it with `make site` in {root}"
    return (
        "an installed package brings no site; build one in a clone of Plumbline's repository with `make site`, "
        "and serve it: `plumb up --site CLONE/site`"
    )


def policy(html: bytes) -> str:
    """Return the Content-Security-Policy of one page: its own inline scripts by hash, and nothing from elsewhere."""
    hashes = {
        b64encode(hashlib.sha256(match["code"]).digest()).decode()
        for match in _INLINE.finditer(html)
        if b"src=" not in match["attributes"] and match["code"].strip()
    }
    return _POLICY.format(hashes="".join(f" 'sha256-{value}'" for value in sorted(hashes)))


@lru_cache(maxsize=512)
def _policy_of(path: str, modified_ns: int) -> str:  # noqa: ARG001 - the time is part of the cache's key
    return policy(Path(path).read_bytes())


class Site(StaticFiles):
    """Serves the built site; without one it says how to build it."""

    def __init__(self, folder: Path, how: str) -> None:
        """Serve `folder`; `how` says how to build what is not there."""
        super().__init__(directory=folder, html=True, check_dir=False)
        self.folder = folder
        said = re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(how[:1].upper() + how[1:]))
        self.not_built = NOT_BUILT.format(how=said)

    async def check_config(self) -> None:
        """Accept a site that is not there yet: `get_response` says so to the reader."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Serve one file, or the page that says what to do."""
        if not is_built(self.folder):
            return HTMLResponse(self.not_built, 503, {"Content-Security-Policy": policy(self.not_built.encode())})
        try:
            answer = await super().get_response(path, scope)
        except HTTPException as error:
            if error.status_code != 404:
                raise
            return HTMLResponse(
                "<!doctype html><title>Not found</title><p>There is no such page. <a href='/'>Search</a>", 404
            )
        if isinstance(answer, FileResponse) and answer.status_code == 404:
            with_policy(answer, Path(answer.path))
        return answer

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """Answer with a file, or with 304: its headers replace those that the browser keeps with the page."""
        answer = super().file_response(full_path, stat_result, scope, status_code)
        return with_policy(answer, Path(full_path))


def with_policy(answer: Response, served: Path) -> Response:
    """Give a page its own policy, and let browsers ask each time whether a file changed."""
    answer.headers["Cache-Control"] = "no-cache"
    if served.suffix == ".html":
        answer.headers["Content-Security-Policy"] = _policy_of(str(served), served.stat().st_mtime_ns)
    return answer
