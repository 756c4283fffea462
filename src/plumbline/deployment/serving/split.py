"""Which version answers a request that bears a key: always the same, and a change of shares moves as few as it can.

Weighted rendezvous hashing (Schindelhauer and Schomaker, 2005): each version draws for the key, the best draw wins.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

_SPAN = 1 << 64


def winner(salt: str, key: str, shares: Sequence[tuple[str, float]]) -> int:
    """Return the place of the version that answers.

    Args:
        salt: Secret to nobody, but the same on all servers: the model's name.
        key: Of the request, not empty.
        shares: Name and share of each version; shares are above 0.
    """
    best, place = -1.0, 0
    keyed = hashlib.blake2b(key.encode(), key=hashlib.sha256(salt.encode()).digest()[:32], digest_size=8)
    for number, (name, share) in enumerate(shares):
        draw = keyed.copy()
        draw.update(name.encode())
        # -share / ln(u), u in (0, 1): the largest of these is drawn in proportion to the shares.
        at = (int.from_bytes(draw.digest()) + 0.5) / _SPAN
        score = -share / math.log(at) if at < 1 else math.inf
        if score > best:
            best, place = score, number
    return place
