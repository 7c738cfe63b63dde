"""A scope with one appointment in it, for tests of expressions."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import Any

from engine.codecs.json import CODEC, read_json
from engine.expressions import compile_expression, compile_template
from engine.spi import Scope

APPOINTMENT = b"""{
  "appointment": {"id": "RDV-1", "version": 3, "start": "2026-11-02T09:00:00-05:00", "end": "2026-11-02T14:30:00Z",
                  "fee": 1.50, "note": null, "video": true, "rate": 1E5},
  "a": "E", "b": {"c": "A40"}, "x-ray": "yes",
  "participant": [{"actor": "A", "role": "doctor"}, {"actor": "B", "role": "patient"}],
  "codes": ["X", "Y"], "text": "Bonjour"
}"""


def scope(**changes: Any) -> Scope:
    """Return a fresh scope at 2026-11-02T14:00:00.250Z."""
    count = itertools.count(1)
    made = Scope(
        msg=read_json(APPOINTMENT),
        source=read_json(APPOINTMENT),
        meta={"id": "0" * 20, "event": {"type": "appointment-booked"}},
        now_ms=1_793_628_000_250,
        vars={"doctor": {"clinic": "clinique-abc"}, "amount": Decimal("2.50")},
        sender={"name": "plateforme", "zone": ""},
        partner={"name": "clinique-abc", "zone": "America/Toronto"},
        memory={"his_id": "H-1"},
        it={"code": "ITEM"},
        tables={"units": {"A1": "Urgence", "7": "Sept"}},
        new_id=lambda: f"{next(count):020d}",
    )
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def value(text: str, **changes: Any) -> Any:
    return compile_expression(text, CODEC).evaluate(scope(**changes))


def rendered(text: str, **changes: Any) -> Any:
    return compile_template(text, CODEC).evaluate(scope(**changes))
