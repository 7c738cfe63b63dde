"""Hold a secret so that no log, error, `repr` or pickle shows it by accident."""

from __future__ import annotations

import hmac
from pathlib import Path
from typing import Any, NoReturn

from engine.errors import PasserelleError

HIDDEN = "***"
MAX_BYTES = 65_536


class UnreadableSecret(PasserelleError):
    """A secret's file is missing, empty, too large or no text; the text names the file, never the content."""


class Secret:
    """Text that only `reveal()` shows.

    It is no `str`: joining or formatting a subclass of `str` would copy its characters past any `__str__`.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the secret itself, at the one place that uses it."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret({HIDDEN!r})"

    def __str__(self) -> str:
        return HIDDEN

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled or copied into another process; load it there")

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret:
        return self


def load_secret(path: Path) -> Secret:
    """Read a secret from a file, without the line end that editors add.

    Raises:
        UnreadableSecret: the file is missing, empty, above 64 KiB, or not UTF-8.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UnreadableSecret(f"cannot read the secret file {path}: {error.strerror}") from error
    if len(raw) > MAX_BYTES:
        raise UnreadableSecret(f"the secret file {path} is larger than {MAX_BYTES} bytes")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise UnreadableSecret(f"the secret file {path} is not UTF-8 text") from None
    text = text.rstrip("\r\n")
    if not text:
        raise UnreadableSecret(f"the secret file {path} is empty")
    return Secret(text)
