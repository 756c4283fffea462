"""Addresses, the token, and what a refusal says."""

from __future__ import annotations

from typing import Any

API = "/api/deployment"
TOKEN = {"X-Plumbline-Token": "t" * 32}
SAID = {"by": "eve", "why": "looked at it"}


def refusal(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]
