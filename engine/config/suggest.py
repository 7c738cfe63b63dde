"""Finds the word that was probably meant."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the known word closest to `word`, "" when none is close."""
    from difflib import get_close_matches

    choices = {choice.lower(): choice for choice in known}
    close = get_close_matches(word.lower().replace("-", "_"), choices, n=1, cutoff=0.6) or get_close_matches(
        word.lower(), choices, n=1, cutoff=0.6
    )
    return choices[close[0]] if close else ""


def hint(word: str, known: Iterable[str]) -> str:
    """Return the help for an unknown word: the one that was meant, else all that there are."""
    names = sorted(known)
    meant = did_you_mean(word, names)
    if meant:
        return f'did you mean "{meant}"?'
    return f"there are {', '.join(names)}" if names else "there are none"
