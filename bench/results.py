"""RESULTS.md, made of the figures that were kept: what was measured, against what must be and what is hoped for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent
FIGURES = _FOLDER / "figures.json"
PAGE = _FOLDER / "RESULTS.md"


def figures() -> dict[str, Any]:
    """Return what was measured, by part; each with `figures`, `when`, `load` and `command`."""
    found: dict[str, Any] = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    return found


def keep(part: str, measured: object, *, when: str, load: str, command: str = "") -> None:
    """Keep a part's figures in place of its earlier ones."""
    kept = figures()
    kept[part] = {"figures": measured, "when": when, "load": load, "command": command}
    FIGURES.write_text(json.dumps(kept, indent=1) + "\n")


def write() -> None:
    """Write the page anew."""
    kept = figures()
    lines = ["# Measured", "", "Written by `python -m bench`; change the program, not this page.", ""]
    lines += [f"- {name}: {text}" for name, text in kept["machine"]["figures"].items()]
    for part in ("http", "ordered", "tls"):
        if part in kept:
            lines += ["", f"## {part}", "", *_throughput(kept[part])]
    PAGE.write_text("\n".join(lines) + "\n")


def _throughput(kept: dict[str, Any]) -> list[str]:
    lines = [f"`{kept['command']}`, {kept['when']}, load average {kept['load']}", ""]
    lines += [
        "| what | connections | delivered/s | acknowledged/s | ack p50 / p99 ms | end p50 / p99 ms | CPU us "
        "| RSS MB | lost / dup / order |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, rows in kept["figures"].items():
        lines += [
            f"| {name} | {row['connections']} | {row['delivered']:,.0f} | {row['acknowledged']:,.0f} "
            f"| {row['ack_p50']:.2f} / {row['ack_p99']:.1f} | {row['end_p50']:.1f} / {row['end_p99']:.1f} "
            f"| {row['cpu']:.0f} | {row['rss_mb']:.0f} | {row['lost']} / {row['duplicates']} / {row['out_of_order']} |"
            for row in rows
        ]
    return lines
