"""One real `Connection` without a socket: bytes in, and what it does with them."""

import struct
from types import SimpleNamespace

from plumbline.streaming.core.outbox import Limits
from plumbline.streaming.core.setting_kinds import Overflow
from plumbline.streaming.server.connection import Connection

LIMIT = 200
HEADER = 14


def client_frame(opcode, payload, *, final=True):
    size = len(payload)
    head = bytes([(0x80 if final else 0) | opcode])
    head += bytes([0x80 | size]) if size < 126 else b"\xfe" + struct.pack("!H", size)
    return head + bytes(4) + payload


class FakeLink:
    """A socket whose kernel takes so many bytes at a time; None: all."""

    batch_bytes, secure, fd, open = 65536, False, 1, True

    def __init__(self):
        self.sent = bytearray()
        self.held_bytes = b""
        self.takes = None
        self.closed = self.finished = False

    @property
    def held(self):
        return len(self.held_bytes)

    @property
    def rest(self):
        return self.held_bytes or None

    def write(self, frames):
        return self.write_one(b"".join(frames))

    def write_one(self, frame):
        count = len(frame) if self.takes is None else min(self.takes, len(frame))
        self.sent += frame[:count]
        return count

    def hold(self, rest):
        self.held_bytes += bytes(rest)

    def send(self, data):
        count = 0 if self.held_bytes else self.write_one(data)
        self.hold(data[count:])

    def reading(self, *, on):
        pass

    def close(self):
        self.closed = True

    def finish(self):
        self.finished = True

    def abort(self):
        self.closed = True


class Served:
    """A connection and its owner: what it heard, and the code it closed with."""

    def __init__(self):
        self.settings = SimpleNamespace(max_message_bytes=LIMIT, overflow=Overflow.DISCONNECT)
        self.limits = Limits(4096, 64)
        self.patience = self
        self.turn = 0
        self.texts = []
        self.link = FakeLink()
        self.connection = Connection(self, self.link, 1, "127.0.0.1", 1)

    @property
    def code(self):
        return self.connection.peer_code if self.connection.ending is None else self.connection.ending

    def feed(self, data):
        """Give it bytes, unless its link is closed; it must not hold more than one message and a header."""
        if self.link.closed:
            return
        self.connection.received(data)
        reader, assembler = self.connection.reader, self.connection.assembler
        held = (reader.held_bytes if reader else 0) + (assembler._size if assembler else 0)
        assert held <= 2 * LIMIT + HEADER + 125

    def now(self):
        return 0.0

    def received(self, connection, text):
        self.texts.append(text)

    def frame(self, connection):
        return True

    def refused(self, connection, code, sentence):
        connection.close(code, sentence)

    def heard(self, connection):
        pass

    began = whole = stalled = writable = sent = flush_later = heard

    def policy(self, channel):
        return Overflow.DISCONNECT

    def overflowed(self, connection, channel, dropped):
        raise AssertionError("nothing is published here")
