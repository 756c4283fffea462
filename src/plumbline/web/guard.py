"""Who may talk to the app: Host and Origin allow-lists, the token, and the headers every answer carries.

Host is checked because of DNS rebinding, Origin and Sec-Fetch-Site because any page in a browser can send to loopback.
"""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from plumbline.web.errors import Refusal
from plumbline.web.settings import WebSettings

TOKEN_HEADER = "x-plumbline-token"  # noqa: S105 - the header's name
COOKIE = "plumbline_token"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
OPEN_PATHS = frozenset({"/healthz", "/readyz"})


class Guard:
    """ASGI middleware: refuse requests that come from elsewhere, and add the security headers."""

    def __init__(self, app: ASGIApp, settings: WebSettings) -> None:
        self.app = app
        self.settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check one request and pass it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
            await send(message)

        try:
            answer = self._check(Request(scope))
        except Refusal as refusal:
            answer = refusal.answer()
        await (answer or self.app)(scope, receive, send_with_headers)

    def _check(self, request: Request) -> Response | None:
        host = host_name(request.headers.get("host", ""))
        if host not in self.settings.allowed_names:
            hint = f"use one of {', '.join(sorted(self.settings.allowed_names))}"
            raise Refusal(403, "wrong_host", f"the Host '{host}' is not served here", hint)
        self._check_origin(request)
        if self.settings.login and request.url.path not in OPEN_PATHS:
            return self._check_login(request)
        return None

    def _check_origin(self, request: Request) -> None:
        origin = request.headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != request.headers["host"]:
            raise Refusal(
                403, "wrong_origin", f"requests from the origin '{origin}' are refused", "open the site itself"
            )
        if request.headers.get("sec-fetch-site") == "cross-site" and request.url.path.startswith("/api/"):
            raise Refusal(403, "cross_site", "requests from other sites' pages are refused", "open the site itself")

    def _check_login(self, request: Request) -> Response | None:
        given = request.query_params.get("token")
        if given is not None and request.method == "GET" and same(given, self.settings.token):
            answer = RedirectResponse(request.url.remove_query_params("token").path, 303)
            answer.set_cookie(COOKIE, given, httponly=True, samesite="strict", secure=True)
            return answer
        if carries_token(request.headers, request.cookies, self.settings.token):
            return None
        raise Refusal(
            401,
            "login",
            "this address wants the token",
            "open it once as …/?token=TOKEN, or send Authorization: Bearer",
        )


def host_name(header: str) -> str:
    """Return the Host header without its port: `[::1]:8000` is `::1`."""
    return (urlsplit(f"//{header}").hostname or "").lower()


def same(given: str, token: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(given.encode(), token.encode())


def carries_token(headers: Headers, cookies: dict[str, str], token: str) -> bool:
    """Say whether the request carries the token, as header, bearer or login cookie."""
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    given = [headers.get(TOKEN_HEADER, ""), bearer if scheme.lower() == "bearer" else "", cookies.get(COOKIE, "")]
    return any(same(value, token) for value in given if value)


def require_token(request: Request, token: str) -> None:
    """Refuse a request that changes something and carries no token in a header.

    The login cookie does not serve here: a browser sends cookies by itself, a header it does not.

    Raises:
        Refusal: The header is missing or wrong (401).
    """
    if not carries_token(request.headers, {}, token):
        raise Refusal(
            401, "token", "this request needs the session token", "GET /api/session gives it to pages of this site"
        )
