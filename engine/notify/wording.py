"""What an alert says to a human, in French and English; never with personal data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from engine.notify.alerts import Notice

_KINDS: Mapping[str, tuple[str, str]] = {
    "dead_letter": ("message en rebut pour {subject}", "dead letter for {subject}"),
    "refused": ("message refusé à l'entrée : {subject}", "message refused: {subject}"),
    "endpoint_disabled": ("point de terminaison désactivé : {subject}", "endpoint disabled: {subject}"),
    "disk": ("disque presque plein : {subject}", "disk nearly full: {subject}"),
    "certificate": ("certificat bientôt expiré : {subject}", "certificate about to expire: {subject}"),
    "plaintext": ("exception de texte en clair : {subject}", "plaintext exception: {subject}"),
    "bug": ("défaut du moteur : {subject}", "engine defect: {subject}"),
    "corrupt": ("contenu corrompu : {subject}", "corrupt content: {subject}"),
    "channel": ("canal en échec : {subject}", "channel failing: {subject}"),
}
_CHANGES: Mapping[str, tuple[str, str]] = {
    "opened": ("Alerte ouverte", "Alert opened"),
    "reminder": ("Alerte toujours ouverte", "Alert still open"),
    "cleared": ("Alerte rétablie", "Alert cleared"),
}


def render(notice: Notice, engine: str) -> bytes:
    """Return the notice as a JSON body with `subject` and `text` for people, and the facts for machines."""
    alert = notice.alert
    french, english = (text.format(subject=alert.subject) for text in _KINDS[alert.kind])
    change_fr, change_en = _CHANGES[notice.change]
    opened = datetime.fromtimestamp(alert.opened_ms / 1000, UTC).isoformat(timespec="seconds")
    detail = f"\n{alert.detail}" if alert.detail else ""
    return json.dumps(
        {
            "subject": f"[{engine}] {change_fr} / {change_en} : {alert.subject}",
            "text": f"{change_fr} : {french}\n{change_en}: {english}{detail}\n{opened}\n",
            "alert": alert.kind,
            "change": notice.change,
            "about": alert.subject,
            "detail": alert.detail,
            "openedAt": opened,
            "engine": engine,
        },
        ensure_ascii=False,
    ).encode()
