"""AE titles, as configurations write them."""

from __future__ import annotations

from typing import Annotated

from engine.config.models import matching

AeTitle = Annotated[
    str,
    matching("an AE title", "write up to 16 characters, as PASSERELLE", r"(?! )[ -\[\]-~]{1,16}(?<! )"),
]
"""PS3.5 6.2, VR AE: without backslash and control characters, blanks at its ends do not count."""
