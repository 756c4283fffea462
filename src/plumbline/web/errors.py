"""One shape for every refusal: a code for programs, a sentence and a hint for people."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse


class Refusal(Exception):  # noqa: N818 - it is an answer, not a fault of ours
    """A request that is answered with a 4xx or 503 and one sentence.

    Args:
        status: HTTP status.
        code: Stable name for programs.
        sentence: What is wrong.
        hint: What to do next.
        retry_after_s: Seconds to wait, sent as Retry-After.
    """

    def __init__(self, status: int, code: str, sentence: str, hint: str = "", retry_after_s: int | None = None) -> None:
        self.status = status
        self.code = code
        self.sentence = sentence
        self.hint = hint
        self.retry_after_s = retry_after_s
        super().__init__(sentence)

    def answer(self) -> JSONResponse:
        """Render it."""
        headers = {"Cache-Control": "no-store"}
        if self.retry_after_s is not None:
            headers["Retry-After"] = str(self.retry_after_s)
        body = {"error": {"code": self.code, "sentence": self.sentence, "hint": self.hint}}
        return JSONResponse(body, self.status, headers)


def install(app: FastAPI) -> None:
    """Answer refusals, invalid bodies and wrong methods in the one shape."""

    @app.exception_handler(Refusal)
    async def _refused(_: Request, error: Refusal) -> JSONResponse:
        return error.answer()

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part != "body") or "body"
        return Refusal(422, "invalid", f"{where}: {first['msg']}", "see /api/openapi.json for what it takes").answer()

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        sentence = f"{request.method} {request.url.path}: {error.detail}"
        return Refusal(error.status_code, "http", sentence, "see /api/openapi.json for what there is").answer()
