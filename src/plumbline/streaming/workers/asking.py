"""Ask a worker's admin socket without holding up the loop."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from plumbline.streaming.probes.adminclient import ANSWER_LIMIT, AdminError, result

PATIENCE_S = 2.0  # a worker whose loop stands still for longer is left out of the answer


async def ask(path: str, request: dict[str, Any], patience_s: float = PATIENCE_S) -> Any:
    """Send one request and return the answer's `result`.

    Raises:
        AdminError: There is nobody, no answer in time, or a refusal.
    """
    try:
        async with asyncio.timeout(patience_s):
            reader, writer = await asyncio.open_unix_connection(path, limit=ANSWER_LIMIT)
            try:
                writer.write(json.dumps(request).encode() + b"\n")
                return result(path, await reader.readline())
            finally:
                writer.close()
    except TimeoutError:
        raise AdminError("timeout", f"the worker at {path} did not answer within {patience_s:g} s") from None
    except OSError as failed:
        raise AdminError("unreachable", f"no worker listens on {path} ({failed.strerror or failed})") from None
    except ValueError:  # the line is longer than any answer
        raise AdminError("malformed", f"{path} answered more than {ANSWER_LIMIT} bytes") from None
