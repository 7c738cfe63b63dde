"""Who calls: the partner that certificate and AE title agree on, and whether this door is for it.

Source: DICOM PS3.8 9.3.4 (rejections), PS3.15 annex B (TLS).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from channels._tcp.caller import Caller


def agreed_partner(
    caller: Caller,
    title: str,
    *,
    callers: Mapping[str, str],
    expected: str | None,
    certified: Callable[[str], bool],
) -> tuple[str | None, str]:
    """Return the partner that an AE title and a certificate agree on, and why they do not ("" where they do).

    A certificate that proves nobody does not speak for a partner that has certificates of its own.
    """
    if callers and title not in callers:
        return None, "unknown_caller"
    named = callers.get(title) or expected
    if caller.partner is not None:
        return (caller.partner, "") if named in (None, caller.partner) else (None, "other_partner")
    if named is not None and caller.peer.certificate is not None and certified(named):
        return None, "unknown_partner"
    return named, ""
