"""The table of verbs: where each one lives, and what it is for in one line."""

from __future__ import annotations

VERBS: dict[str, tuple[str, str]] = {
    "init": ("init:init", "write a small project into a folder"),
    "dev": ("dev:dev", "run with simulated partners, sample messages and a live table"),
    "run": ("run:run", "run the engine until it is asked to stop"),
    "reload": ("reload:reload", "take changed files in, all or one route; a failure keeps what runs"),
    "check": ("check:check", "find everything wrong with the configuration"),
    "test": ("test:test", "run the golden tests beside the routes, in virtual time"),
    "inject": ("inject:inject", "hand files to a route as if they had been received"),
    "probe": ("probe:probe", "try the way to endpoints: dns, tcp, tls, certificate, protocol"),
    "status": ("status:status", "what runs, waits and fails"),
    "tail": ("tail:tail", "follow what happens"),
    "messages": ("messages:messages", "search messages"),
    "show": ("show:show", "one message with its deliveries and attempts"),
    "trace": ("trace:trace", "the timeline of one message"),
    "dead": ("dead:dead", "dead letters: list, show, release, discard"),
    "resend": ("resend:resend", "send the same bytes again"),
    "pause": ("pause:pause", "stop sending for a route or an endpoint"),
    "resume": ("pause:resume", "go on after a pause"),
    "hold": ("hold:hold", "send a partner nothing until a moment"),
    "enable": ("hold:enable", "open an endpoint that said it was gone"),
    "alerts": ("alerts:alerts", "alerts that are open"),
    "diff": ("versions:diff", "what changed between two versions of a route"),
    "rollback": ("versions:rollback", "run an earlier version of a route"),
    "reconcile": ("reconcile:reconcile", "prove that nothing was lost"),
    "audit": ("audit:audit", "verify or export the journal"),
    "certs": ("certs:certs", "certificates for development; what is there and when it ends"),
    "config": ("config:config", "the configuration as understood, and where each value comes from"),
    "schema": ("schema:schema", "JSON Schemas and reference pages from the models"),
    "graph": ("graph:graph", "a picture of listeners, routes and endpoints"),
    "backup": ("backup:backup", "copy a consistent state while work goes on"),
    "restore": ("backup:restore", "start again from a backup, parked"),
}
"""Verb -> (module:attribute below engine.cli, one line)."""
