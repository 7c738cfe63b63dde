"""Frames of the Minimal Lower Layer Protocol: a start block, a message, an end block and a carriage return.

Source: HL7 v2.5.1 Implementation Guide, appendix C (MLLP); HL7 "Transport Specification: MLLP, Release 1" 2; Release 2
(V3 transport, MLLP R2) 2.3, where `<ACK>` and `<NAK>` travel as blocks of one byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

START: Final = b"\x0b"
END: Final = b"\x1c"
TAIL: Final = b"\x0d"
COMMITTED: Final = b"\x06"
"""Release 2: the block's content is on storage that lasts."""
NOT_COMMITTED: Final = b"\x15"
"""Release 2: it is not, send it again."""

HEAD_BYTES: Final = 16_384
"""What is kept of a frame that is given up: enough for its header, so that it can still be answered."""

_KEEP_ALIVE: Final = b"\r\n \x00"


@dataclass(frozen=True, slots=True)
class Framing:
    """The bytes around a message; `tail` may be empty."""

    start: bytes = START
    end: bytes = END
    tail: bytes = TAIL

    def wrap(self, content: bytes) -> bytes:
        """Return a message as it travels."""
        return self.start + content + self.end + self.tail


class Frame(NamedTuple):
    """What one frame held; `fault` says why it was given up, and `content` is then its first bytes only.

    `size` is the number of bytes of the whole content.
    """

    content: bytes
    size: int
    fault: str = ""


TOO_LARGE: Final = "too_large"


class FrameReader:
    """Cuts a stream of bytes into frames; every byte is looked at once, however the stream is cut.

    `limit` is the largest content in bytes. `garbage` counts bytes outside of frames, `keep_alive` those of them that
    mean nothing (CR, LF, blank, NUL).
    """

    def __init__(self, framing: Framing, limit: int) -> None:
        self._start = framing.start
        self._close = framing.end + framing.tail
        self._overlap = len(self._close) - 1
        self._limit = limit
        self._buffer = bytearray()
        self._scanned = 0
        self._inside = False
        self._dropped = 0
        self._fault = ""
        self._whole: Frame | None = None
        self.garbage = 0
        self.keep_alive = 0

    def feed(self, data: bytes) -> None:
        """Take bytes that arrived; most often they are one whole frame, which needs no buffer."""
        size = len(data) - len(self._start) - len(self._close)
        if (
            not self._buffer
            and not self._inside
            and self._whole is None
            and 0 <= size <= self._limit
            and data.startswith(self._start)
            and data.find(self._close) == len(data) - len(self._close)
        ):
            self._whole = Frame(data[len(self._start) : -len(self._close)], size)
        else:
            self._buffer += data

    @property
    def held(self) -> int:
        """How many bytes are kept."""
        return len(self._buffer)

    @property
    def begun(self) -> bool:
        """Whether a frame has begun and not ended: bytes of it, or its start block, were seen."""
        return self._inside

    def give_up(self, fault: str) -> None:
        """Keep no more of the frame that is under way than its head; what follows up to its end is dropped."""
        self._fault = self._fault or fault
        self._drop()

    def next(self) -> Frame | None:
        """Return the next whole frame, None where more bytes are needed."""
        if self._whole is not None:
            frame, self._whole = self._whole, None
            return frame
        if not self._inside and not self._begin():
            return None
        at = self._buffer.find(self._close, self._scanned)
        if at < 0:
            self._scanned = max(0, len(self._buffer) - self._overlap)
            if len(self._buffer) - self._overlap > self._limit or self._fault:
                self.give_up(TOO_LARGE)
            return None
        if at + self._dropped > self._limit:
            self._fault = self._fault or TOO_LARGE
        size = at + self._dropped
        fault = self._fault
        content = bytes(self._buffer[: min(at, HEAD_BYTES) if fault else at])
        del self._buffer[: at + len(self._close)]
        self._inside = False
        self._scanned = self._dropped = 0
        self._fault = ""
        return Frame(content, size, fault)

    def _begin(self) -> bool:
        """Find the next start block and drop what is before it; tell whether there is one."""
        buffer = self._buffer
        if not buffer:
            return False
        at = buffer.find(self._start)
        if at < 0:
            kept = len(self._start) - 1  # a start block of several bytes may have come in part
            at = max(0, len(buffer) - kept) if kept else len(buffer)
            self._outside(at)
            return False
        self._outside(at)
        del buffer[: len(self._start)]
        self._inside = True
        return True

    def _outside(self, size: int) -> None:
        if size:
            idle = size - len(bytes(self._buffer[:size]).translate(None, _KEEP_ALIVE))
            self.keep_alive += idle
            self.garbage += size - idle
            del self._buffer[:size]

    def _drop(self) -> None:
        """Forget what lies between the head and the last bytes, which may begin the end block."""
        end = len(self._buffer) - self._overlap
        if end > HEAD_BYTES:
            del self._buffer[HEAD_BYTES:end]
            self._dropped += end - HEAD_BYTES
            self._scanned = HEAD_BYTES
