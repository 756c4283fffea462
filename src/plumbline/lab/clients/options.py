"""The command line that all clients share."""

from __future__ import annotations

import argparse


def parser(about: str | None, *, timeout_s: float | None = None) -> argparse.ArgumentParser:
    """Return a parser that takes the server's URL, and a time limit if the client has one.

    Args:
        about: What the client does.
        timeout_s: Default of `--timeout`, in seconds; None: the client has none.
    """
    made = argparse.ArgumentParser(description=about)
    made.add_argument("url", help="WebSocket address")
    if timeout_s is not None:
        made.add_argument("--timeout", type=float, default=timeout_s, metavar="S", help="for connect and upgrade")
    return made
