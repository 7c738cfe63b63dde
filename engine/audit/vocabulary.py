"""The journal's vocabulary: every action that a row may bear, with its meaning in French and English."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass


class Action(enum.StrEnum):
    """What a row of the journal tells."""

    ACCEPT = "accept"
    DUPLICATE = "duplicate"
    COLLISION = "collision"
    REFUSE = "refuse"
    SETTLE = "settle"
    RECOVER = "recover"
    RECALL = "recall"
    RELEASE = "release"
    DISCARD = "discard"
    RESEND = "resend"
    RETRY = "retry"
    HOLD = "hold"
    UNHOLD = "unhold"
    PAUSE = "pause"
    RESUME = "resume"
    DISABLED = "disabled"
    ENABLE = "enable"
    REASON = "reason"
    INJECT = "inject"
    RELOAD = "reload"
    ROLLBACK = "rollback"
    ROUTE_DEPLOYED = "route-deployed"
    ENROL = "enrol"
    ALERT_OPENED = "alert-opened"
    ALERT_CLEARED = "alert-cleared"
    PHI_VIEWED = "phi-viewed"
    IMAGES_READ = "images-read"
    IMAGES_SEARCHED = "images-searched"
    EXPORT = "export"
    BACKUP = "backup"
    RESTORE = "restore"
    PURGE = "purge"
    REPEATS = "repeats"
    NO_REPEATS = "no-repeats"
    GATHERED = "gathered"
    WORKLIST = "worklist"
    WORKLIST_REBUILT = "worklist-rebuilt"
    WORKLIST_SHOWN = "worklist-shown"


@dataclass(frozen=True, slots=True)
class Meaning:
    """An action for people; `operator` says that a person or a caller of the API did it, and is named."""

    french: str
    english: str
    operator: bool = False


MEANINGS: Mapping[Action, Meaning] = {
    Action.ACCEPT: Meaning("message accepté", "message accepted"),
    Action.DUPLICATE: Meaning("copie reconnue, rien de nouveau", "copy recognised, nothing new"),
    Action.COLLISION: Meaning("même identifiant, autre contenu", "same id, other content"),
    Action.REFUSE: Meaning("message refusé à l'entrée", "message refused at the door"),
    Action.SETTLE: Meaning("livraison : nouvel état", "delivery: new state"),
    Action.RECOVER: Meaning("reprise : issue inconnue d'une tentative", "recovery: an attempt's outcome is unknown"),
    Action.RECALL: Meaning("livraison retirée par une annulation", "delivery recalled by a cancellation"),
    Action.RELEASE: Meaning("remise en livraison ou fin d'une suspension", "dead letter released or hold ended", True),
    Action.DISCARD: Meaning("message en rebut éliminé", "dead letter discarded", True),
    Action.RESEND: Meaning("renvoi des mêmes octets", "same bytes sent again", True),
    Action.RETRY: Meaning("relance immédiate", "retried at once", True),
    Action.HOLD: Meaning("livraison ou partenaire suspendu", "delivery or partner held", True),
    Action.UNHOLD: Meaning("suspension levée", "held delivery let go", True),
    Action.PAUSE: Meaning("envois suspendus", "sending paused", True),
    Action.RESUME: Meaning("envois repris", "sending resumed", True),
    Action.DISABLED: Meaning("point de terminaison désactivé", "endpoint disabled"),
    Action.ENABLE: Meaning("point de terminaison réactivé", "endpoint enabled", True),
    Action.REASON: Meaning("motif d'une opération", "reason of an operation", True),
    Action.INJECT: Meaning("message injecté à la main", "message injected by hand", True),
    Action.RELOAD: Meaning("configuration rechargée", "configuration reloaded", True),
    Action.ROLLBACK: Meaning("version antérieure remise en place", "earlier version put back", True),
    Action.ROUTE_DEPLOYED: Meaning("version de route mise en service", "route version deployed"),
    Action.ENROL: Meaning("noms nouveaux ou changés", "names new or changed"),
    Action.ALERT_OPENED: Meaning("alerte ouverte", "alert opened"),
    Action.ALERT_CLEARED: Meaning("alerte rétablie", "alert cleared"),
    Action.PHI_VIEWED: Meaning("contenu consulté, avec motif", "content viewed, for a purpose", True),
    Action.IMAGES_READ: Meaning("images remises à un partenaire", "images given to a partner", True),
    Action.IMAGES_SEARCHED: Meaning("images cherchées par un partenaire", "images searched by a partner", True),
    Action.EXPORT: Meaning("journal exporté", "journal exported", True),
    Action.BACKUP: Meaning("copie de sauvegarde", "backup made", True),
    Action.RESTORE: Meaning("restauration : nouvelle époque de la chaîne", "restored: a new epoch of the chain"),
    Action.PURGE: Meaning("contenu supprimé selon la conservation", "content dropped by retention"),
    Action.REPEATS: Meaning("renvois voulus d'un partenaire permis", "a partner's deliberate repeats allowed", True),
    Action.GATHERED: Meaning("examen complet : rien à annoncer", "complete study: nothing to tell"),
    Action.WORKLIST: Meaning("liste de travail mise à jour", "worklist brought up to date"),
    Action.WORKLIST_SHOWN: Meaning("liste de travail remise à un appareil", "worklist shown to a modality", True),
    Action.WORKLIST_REBUILT: Meaning("liste de travail reconstruite", "worklist built anew", True),
    Action.NO_REPEATS: Meaning("copies de nouveau reconnues", "copies recognised again", True),
}  # fmt: skip


def meaning(action: str, *, french: bool = False) -> str:
    """Return an action for people; the action itself where a later version wrote one that is not known here."""
    try:
        found = MEANINGS[Action(action)]
    except ValueError:
        return action
    return found.french if french else found.english
