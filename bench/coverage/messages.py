"""The messages that mappers are measured with: those of other projects where they are there, and invented ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from bench.wire import REPOSITORY
from engine.codecs.hl7v2.batch import read_batch
from engine.codecs.hl7v2.header import header
from engine.errors import Rejected
from tests.mapping import synthetic_adt, synthetic_billing, synthetic_order, synthetic_pharmacy, synthetic_siu

CORPUS: Final = REPOSITORY.parent / "shared" / "corpus"
FEW: Final = 40
"""A type with fewer real messages is measured with as many invented ones besides."""


def real(folder: Path) -> Mapping[str, Sequence[bytes]]:
    """Return the corpus's messages by kind (`ADT^A01`); those that nobody can read are left out."""
    found: dict[str, list[bytes]] = {}
    for path in sorted((folder / "messages").glob("*.hl7")):
        try:
            members = [member.data for member in read_batch(_unframed(path.read_bytes())).messages]
            for data in members:
                head = header(data)
                found.setdefault(f"{head.type}^{head.event}", []).append(data)
        except Rejected:
            continue
    return found


def invented(kind: str) -> Sequence[bytes]:
    """Return the invented messages of a kind, none where nobody wrote a generator for it."""
    make = _GENERATORS.get(kind[:3])
    made: Sequence[str | bytes] = make(kind) if make else ()
    return [each if isinstance(each, bytes) else each.encode() for each in made]


def _unframed(data: bytes) -> bytes:
    return data[1:-2] if data.startswith(b"\x0b") and data.endswith(b"\x1c\r") else data


def _orders(kind: str) -> Sequence[bytes]:
    return synthetic_order.messages(kind) if kind in synthetic_order.KINDS else ()


_GENERATORS: Final[Mapping[str, Callable[[str], Sequence[str | bytes]]]] = {
    "ADT": lambda kind: synthetic_adt.admissions(kind[4:]),
    "SIU": lambda kind: synthetic_siu.appointments(kind[4:]),
    "ORM": _orders,
    "OMG": _orders,
    "OML": _orders,
    "RDE": lambda kind: synthetic_pharmacy.prescriptions(),
    "RDS": lambda kind: synthetic_pharmacy.dispenses(),
    "DFT": lambda kind: synthetic_billing.charges(),
}
