"""Takes out of free text what may be a person: a second net below the rule that the journal holds ids only.

People type reasons and purposes. What looks like a health insurance number, a mail address or a telephone number is
masked on the way out; the row itself stays as it was chained.
"""

from __future__ import annotations

import re

MASK = "[masked]"

_PATTERNS = (
    re.compile(r"\b[A-Z]{4}[ -]?\d{4}[ -]?\d{4}\b", re.IGNORECASE),  # NAM of the RAMQ: ABCD 1234 5678
    re.compile(r"\b\d{3}[ -]\d{3}[ -]\d{3}\b"),  # social insurance number
    re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    re.compile(r"(?:\+?1[ .-]?)?\(?\b\d{3}\)?[ .-]\d{3}[ .-]\d{4}\b"),
)


def redacted(text: str) -> str:
    """Return the text with what may identify a person replaced by `[masked]`."""
    for pattern in _PATTERNS:
        text = pattern.sub(MASK, text)
    return text
