"""The words that the command line says, in English and, from one table, in French as integration teams speak it."""

from __future__ import annotations

import os
from collections.abc import Mapping

FRENCH: Mapping[str, str] = {
    # headings
    "Routes": "Routes",
    "Endpoints": "Points de terminaison",
    "Listeners": "Points d'écoute",
    "Alerts": "Alertes",
    "Closed": "Fermés",
    "Causes": "Causes",
    "Dead letters": "Messages en rebut",
    "Messages": "Messages",
    "Deliveries": "Livraisons",
    "Attempts": "Tentatives",
    "Timeline": "Chronologie",
    "Partners by day": "Partenaires par jour",
    "Certificates": "Certificats",
    "Versions": "Versions",
    "Inboxes": "Boîtes de réception",
    "Content": "Contenu",
    "Steps": "Actes planifiés",
    "Doors": "Portes",
    "Coverage": "Couverture",
    "Most often left": "Le plus souvent laissées",
    # columns
    "route": "route",
    "in": "entrées",
    "waiting": "en attente",
    "retrying": "en relance",
    "held": "retenues",
    "delivered": "livrées",
    "of them by fallback": "dont par secours",
    "filtered": "écartées",
    "ended otherwise": "autre fin",
    "dead": "en échec",
    "oldest": "plus ancienne",
    "endpoint": "point de terminaison",
    "in flight": "en cours",
    "backlog": "arriéré",
    "breaker": "disjoncteur",
    "gate": "barrière",
    "next": "prochaine",
    "empty at": "vide à",
    "state": "état",
    "address": "adresse",
    "restarts": "redémarrages",
    "kind": "genre",
    "subject": "sujet",
    "since": "depuis",
    "until": "jusqu'à",
    "by": "par",
    "reason": "motif",
    "detail": "détail",
    "tells": "prévient",
    "opened": "ouverte",
    "message": "message",
    "received": "reçu",
    "listener": "point d'écoute",
    "partner": "partenaire",
    "disposition": "disposition",
    "size": "octets",
    "delivery": "livraison",
    "destination": "destination",
    "attempt": "tentative",
    "attempts": "tentatives",
    "due": "échéance",
    "settled": "réglée",
    "number": "n°",
    "started": "début",
    "took": "durée",
    "result": "résultat",
    "code": "code",
    "remark": "remarque",
    "at": "heure",
    "what": "quoi",
    "count": "nombre",
    "day": "jour",
    "time": "heure prévue",
    "modality": "modalité",
    "station": "station",
    "accession": "numéro d'accès",
    "step": "acte",
    "description": "description",
    "stage": "étape",
    "well": "réussi",
    "file": "fichier",
    "names": "noms",
    "ends": "fin",
    "days left": "jours restants",
    "key": "clé",
    "version": "version",
    "running": "en service",
    "author": "auteur",
    "revision": "révision",
    "inbox": "boîte",
    "messages": "messages",
    "newest": "le plus récent",
    "folder": "dossier",
    "selector": "sélecteur",
    "takes": "prend",
    "otherwise": "sinon",
    "kept": "gardé",
    "value": "valeur",
    "written at": "écrit à",
    "endpoints": "points de terminaison",
    "content": "contenu",
    "leaves": "valeurs",
    "by the event": "dans l'événement",
    "of those by FHIR": "dont par FHIR",
    "complement": "complément",
    "dropped": "abandonnées",
    "byte-exact": "à l'octet près",
    "path": "chemin",
    "name": "nom",
    "expires": "expire",
    # sentences
    "running since {since}, ready": "en service depuis {since}, prêt",
    "running since {since}, not ready": "en service depuis {since}, pas prêt",
    "stopped; this is what the store holds": "à l'arrêt; voici ce que garde le dépôt",
    "the store cannot be written: {detail}": "le dépôt ne peut pas être écrit : {detail}",
    "disk: {free} free, a commit takes {commit} ms": "disque : {free} libres, une validation prend {commit} ms",
    "counts do not add up: run `passerelle reconcile`": "les comptes ne concordent pas : lancer `passerelle reconcile`",
    "nothing": "rien",
    "nothing matches": "rien ne correspond",
    "nothing is kept": "rien n'est gardé",
    "no alert is open": "aucune alerte ouverte",
    "no dead letter is open": "aucun message en rebut",
    "more with --before {sequence}": "la suite avec --before {sequence}",
    "more with --after {id}": "la suite avec --after {id}",
    "no file there is a DICOM instance": "aucun fichier n'y est une instance DICOM",
    "conserved: {created} created = {ended} ended + {unfinished} unfinished": (
        "conservation : {created} créées = {ended} terminées + {unfinished} en cours"
    ),
    "NOT CONSERVED: {created} created, {ended} ended + {unfinished} unfinished": (
        "PAS DE CONSERVATION : {created} créées, {ended} terminées + {unfinished} en cours"
    ),
    "released: delivery {delivery} is {state}": "remise en livraison : livraison {delivery}, {state}",
    "discarded: delivery {delivery}": "éliminé : livraison {delivery}",
    "{count} released": "{count} remises en livraison",
    "{count} discarded": "{count} éliminés",
    "due now: delivery {delivery}": "relance immédiate : livraison {delivery}",
    "{count} due now": "{count} relancées",
    "delivery {delivery} is {state}": "livraison {delivery} : {state}",
    "{count} changed": "{count} modifiées",
    "{count} messages lost their content": "{count} messages sans contenu désormais",
    "nothing to purge": "rien à supprimer",
    "nothing is scheduled": "rien n'est planifié",
    "built anew: {events} events, {performed} performed steps": "reconstruite : {events} événements, {performed} actes",
    "kept: {retained}, unreadable: {unreadable}": "conservés : {retained}, illisibles : {unreadable}",
    "{count} to send again at {rate}/s, done at {end}": "{count} à renvoyer à {rate}/s, terminé à {end}",
    "{count} to send again": "{count} à renvoyer",
    "{count} images on their way": "{count} images en route",
    "{count} sent again": "{count} renvoyées",
    "paused: {name}": "suspendu : {name}",
    "resumed: {name}": "repris : {name}",
    "{name} was not paused": "{name} n'était pas suspendu",
    "held: {name}": "suspendu : {name}",
    "held: {name} until {until}": "suspendu : {name} jusqu'à {until}",
    "let go: {name}": "suspension levée : {name}",
    "{name} was not held": "{name} n'était pas suspendu",
    "repeats from {name} until {until}": "renvois permis : {name} jusqu'à {until}",
    "copies from {name} are recognised again": "copies de {name} de nouveau reconnues",
    "copies from {name} were recognised": "les copies de {name} étaient reconnues",
    "enabled: {name}": "réactivé : {name}",
    "{name} was not disabled": "{name} n'était pas désactivé",
    "reloaded: {changes}": "rechargé : {changes}",
    "nothing has changed": "rien n'a changé",
    "rolled back: {changes}": "version antérieure remise : {changes}",
    "no difference": "aucune différence",
    "the configuration is good: {routes} routes, {listeners} doors, {partners} partners": (
        "la configuration est bonne : {routes} routes, {listeners} points d'écoute, {partners} partenaires"
    ),
    "no route takes {types}": "aucune route ne prend {types}",
    "wrote {file}": "écrit : {file}",
    "everything is there already": "tout est déjà là",
    "chain intact: {commits} commits, {rows} rows, root {root}": (
        "chaîne intacte : {commits} validations, {rows} lignes, racine {root}"
    ),
    "CHAIN BROKEN at commit {commit}": "CHAÎNE ROMPUE à la validation {commit}",
    "{count} rows exported": "{count} lignes exportées",
    "backup in {folder}": "copie dans {folder}",
    "restored into {store}; routes are paused, resume each when ready": (
        "restauré dans {store}; les routes sont suspendues, reprendre chacune au moment voulu"
    ),
    "it would send {count} deliveries": "il enverrait {count} livraisons",
    "it would send nothing": "il n'enverrait rien",
    "following; Ctrl-C ends it": "à l'écoute; Ctrl-C pour finir",
    "next: {command}": "ensuite : {command}",
    "press Ctrl-C again to end at once": "Ctrl-C encore pour finir tout de suite",
    "ordered by {keys}": "ordonné par {keys}",
    "taken": "servie",
    "not taken": "non servie",
    "not {endpoint}: {why}": "sans {endpoint} : {why}",
    "refuses it": "refuse le message",
    "filtered out": "écarté par filtre",
    "{count} documents": "{count} documents",
    "a new document": "nouveau document",
    "{count} changes": "{count} changements",
    "unchanged": "inchangé",
    "not taken by this route": "cette route ne le prend pas",
    "a dead letter: its sender is answered well": "un message en rebut : réponse positive à l'expéditeur",
    "its sender is refused": "refusé à l'entrée",
    "its sender is answered before this: acknowledge: stored": (
        "l'expéditeur reçoit sa réponse avant cela : acknowledge: stored"
    ),
    "its sender waits for the destination's answer, which is not known here": (
        "l'expéditeur attend la réponse de la destination, inconnue ici"
    ),
    "what answers of partners taught is not known here: memory is empty": (
        "ce que les réponses des partenaires ont appris est inconnu ici : memory est vide"
    ),
    "{count} leaves: {mapped} mapped, {complement} in the complement, {dropped} dropped": (
        "{count} valeurs : {mapped} mappées, {complement} dans le complément, {dropped} abandonnées"
    ),
    "{goldens} golden, {events} events": "{goldens} de référence, {events} événements",
    "{count} passed over: the mapper does not take them": "{count} laissés de côté : le mappage ne les prend pas",
    "listening on {address}": "à l'écoute sur {address}",
}  # fmt: skip
"""English, as the verbs say it, to French."""

STATES: Mapping[str, str] = {
    "pending": "en attente",
    "retrying": "en relance",
    "in_flight": "en cours d'envoi",
    "awaiting": "en attente de confirmation",
    "held": "suspendue",
    "parked": "retenue",
    "delivered": "livrée",
    "delivered_by_fallback": "livrée par canal de secours",
    "filtered": "écartée par filtre",
    "superseded": "remplacée",
    "recalled": "retirée",
    "expired": "expirée",
    "dead": "en échec définitif",
    "accepted": "accepté",
    "refused": "refusé à l'entrée",
    "duplicate": "copie",
    "collision": "collision",
    "transient": "passager",
    "unknown": "issue inconnue",
    "permanent": "définitif",
    "rejected": "contenu refusé",
    "bug": "défaut",
    "closed": "fermé",
    "open": "ouvert",
    "half_open": "à l'essai",
    "starting": "en démarrage",
    "running": "en service",
    "restarting": "en redémarrage",
    "stopped": "arrêté",
    "yes": "oui",
    "no": "non",
}
"""States of deliveries, messages, attempts, breakers and listeners, to French."""


class Language:
    """Says a word in English or French; `{names}` in it are filled."""

    def __init__(self, code: str) -> None:
        self.french = code.lower().startswith("fr")

    def __call__(self, text: str, **values: object) -> str:
        said = FRENCH.get(text, text) if self.french else text
        return said.format(**values) if values else said

    def word(self, state: str) -> str:
        """Say a word of state, in English the word that store, API and metrics use; what is none stays as it is."""
        return STATES.get(state, state) if self.french else state


def chosen_language(wanted: str | None) -> Language:
    """Return the language asked for, else that of LC_ALL, LC_MESSAGES or LANG; English where none says French."""
    if wanted:
        return Language(wanted)
    named = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return Language(next((code for code in named if code), "en"))
