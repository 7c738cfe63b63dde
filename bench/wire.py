"""The message that is sent, and how its number is found again in what arrives: the shipped sample, numbered."""

from __future__ import annotations

import json
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
DOOR = "/v1/appointments"
MARK = b"RDV-"
LANE_MARK = b"TEST-"
DIGITS = 8
LANE_DIGITS = 4


class Numbered:
    """The shipped sample with a number in its event id and appointment, and its lane as the patient's number."""

    def __init__(self, permit: str = "01234") -> None:
        event = json.loads((REPOSITORY / "routes/samples/booked.json").read_text(encoding="utf-8"))
        event["id"] = "evt-%(number)08d"
        event["subject"] = event["data"]["appointment"]["id"] = "RDV-%(number)08d"
        event["data"]["patient"]["identifiers"][0]["value"] = "TEST-%(lane)04d"
        event["data"]["clinic"]["permit"] = permit
        text = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
        self._body = text.encode()
        self.size = len(self.body(1, 1))
        self._request = (
            f"POST {DOOR} HTTP/1.1\r\nhost: 127.0.0.1\r\n"
            f"content-type: application/cloudevents+json\r\ncontent-length: {self.size}\r\n\r\n"
        ).encode() + self._body

    def body(self, number: int, lane: int) -> bytes:
        """Return the event."""
        return self._body % {b"number": number, b"lane": lane}

    def request(self, number: int, lane: int) -> bytes:
        """Return the whole HTTP request."""
        return self._request % {b"number": number, b"lane": lane}


def number_in(body: bytes | bytearray) -> int:
    """Return the number of a message in any form in which its appointment's id stands; -1 where there is none."""
    at = body.find(MARK) + len(MARK)
    return int(body[at : at + DIGITS]) if at >= len(MARK) else -1


def lane_in(body: bytes | bytearray) -> int:
    """Return the lane of a message, by its patient's number; -1 where there is none."""
    at = body.find(LANE_MARK) + len(LANE_MARK)
    return int(body[at : at + LANE_DIGITS]) if at >= len(LANE_MARK) else -1


def framed(buffer: bytearray) -> bytearray | None:
    """Take one HTTP message with a Content-Length off a buffer; None while it is not whole."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = buffer[:end].lower()
    at = head.find(b"content-length:")
    length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
    whole = end + 4 + length
    if len(buffer) < whole:
        return None
    taken = buffer[:whole]
    del buffer[:whole]
    return taken
