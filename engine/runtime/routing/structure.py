"""Validation of HL7 v2 against the standard's message structures, on demand and never on the accept path.

hl7apy does it, in a process of its own with a deadline and a memory limit: it takes 10 ms for a small message and
seconds for a large one, and its exceptions escape.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from engine.codecs.hl7v2.message import Er7
from engine.errors import Rejected
from engine.model import Fault

DEADLINE_SECONDS: Final = 5.0
MOST_BYTES: Final = 1_000_000
"""A larger message takes hl7apy longer than the deadline."""
_ENDS: Final = re.compile(r"\r\n|\n")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is against the standard; `severity` is `error` or `warning`, `text` holds no value."""

    severity: str
    path: str
    text: str


class Structures:
    """Judges messages, at most two at a time."""

    def __init__(self, *, deadline: float = DEADLINE_SECONDS, at_once: int = 2) -> None:
        self._deadline = deadline
        self._turns = asyncio.Semaphore(at_once)

    async def findings(self, message: Er7) -> tuple[Finding, ...]:
        """Return what is against the standard, errors and warnings.

        Raises:
            Rejected: it cannot be judged: too large or too slow.
        """
        text = _ENDS.sub("\r", message.text().lstrip("\ufeff\r\n")).encode("utf-8", "replace")
        if len(text) > MOST_BYTES:
            raise _unjudged(f"the message has more than {MOST_BYTES} bytes")
        async with self._turns:
            said = await self._ask(text)
        return tuple(Finding(*each) for each in said)

    async def check(self, message: Er7) -> None:
        """Return where the message meets the standard.

        Raises:
            Rejected: it does not; each error is a fault. Warnings are no reason.
        """
        faults = tuple(
            Fault(found.path, found.text, "structure")
            for found in await self.findings(message)
            if found.severity == "error"
        )
        if faults:
            raise Rejected(f"{faults[0].path} {faults[0].text}", faults=faults, code="structure")

    async def _ask(self, text: bytes) -> list[list[str]]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "engine.runtime.routing.structure_worker",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            async with asyncio.timeout(self._deadline):
                out, _ = await process.communicate(text)
        except TimeoutError:
            raise _unjudged(f"hl7apy took longer than {self._deadline:g} s") from None
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode != 0:
            raise _unjudged("hl7apy ended without an answer")
        found: list[list[str]] = json.loads(out)["findings"]
        return found


def _unjudged(why: str) -> Rejected:
    text = f"cannot be validated: {why}"
    return Rejected(text, faults=(Fault("", text, "not_validated"),), code="not_validated")
