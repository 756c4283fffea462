"""Write the corpora from which fuzzing begins: `python tests/streaming/fuzz/seeds.py`."""

from pathlib import Path

FOLDER = Path(__file__).parent / "seeds"


def _frame(first: int, payload: bytes) -> bytes:
    return bytes((first, 0x80 | len(payload))) + bytes(4) + payload


SEEDS = {
    "parsing": [
        b'{"id":1,"subscribe":"a","since":{"epoch":"e","offset":1},"mode":"latest","join":true}',
        b'[{"id":1,"publish":"a","data":{},"key":"k"},{"id":2,"history":"a","limit":5},{"ping":1},{"auth":"x"}]',
        b'{"id":"x","unsubscribe":"a"}',
    ],
    "frames": [
        b"\1\2\3\4" + _frame(0x81, b"{}") + _frame(0x89, b"p") + _frame(0x88, b"\3\xe8"),
        b"\0\0\0\0" + _frame(0x01, b"\xc3") + _frame(0x8A, b"") + _frame(0x80, b"\xa9"),
        b"\0\0\0\0\x82\xfe\x01\x00" + bytes(4),
    ],
    "connections": [
        b"\1\2\3\4" + _frame(0x81, b"{}") + _frame(0x89, b"p") + _frame(0x01, b"[") + _frame(0x80, b"]"),
        b"\0\0\0\0" + _frame(0x88, b"\3\xe8") + _frame(0x81, b"{}"),
    ],
    "claims": [b'{"sub":"a","exp":2000000000,"nbf":1,"channels":{"subscribe":["a.*"],"publish":[]}}'],
    "tokens": [b"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjJ9.AAAA"],
    "requests": [
        b"\1\2\3\4GET /ws?token=x HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nrest",
        b"\1\2\3\4POST /publish HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}",
        b"\1\2\3\4POST /publish HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    ],
    "patterns": [b"a.*.b*\0a.x.bc"],
    "settings": [b"queue_max_bytes=64KiB", b"channels.a.*.overflow=latest", b"x=00-" + b"a" * 32 + b"-" + b"b" * 16],
}

if __name__ == "__main__":
    for target, seeds in SEEDS.items():
        for number, seed in enumerate(seeds):
            path = FOLDER / target / str(number)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(seed)
