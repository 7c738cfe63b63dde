"""A mapper's file as rules to be read: `extends`, `include` and shapes are laid over one another here.

Every value keeps the mark of the file that it was written in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from engine.mapping.faults import Faults, key_mark

Find = Callable[[str], Any]
"""Returns the tree of the mapper, or the file of shapes, of this name; None where there is none."""
LEAF_KEYS: Final = frozenset(
    {
        "event",
        "v2",
        "v2_also",
        "fhir",
        "fhir_also",
        "json",
        "dicom",
        "type",
        "table",
        "default",
        "fresh",
        "when",
        "yields_to",
    }
)
"""What the rule of one leaf may say."""
RULE_KEYS: Final = LEAF_KEYS | {
    "key",
    "number",
    "rules",
    "shape",
    "without",
    "v2_constants",
    "fhir_constants",
}
TOP_KEYS: Final = frozenset(
    {
        "mapper",
        "version",
        "description",
        "extends",
        "include",
        "v2",
        "fhir",
        "events",
        "tables",
        "shapes",
        "rules",
    }
    | {"remove", "drop", "compute"}
)
"""What a mapper may say at its top."""
_MAX_DEPTH: Final = 12
_COMPUTE: Final = "compute: stands beside rules: at the top of a mapper, not in a rule: items compute nothing"
_KEYWORD: Final = re.compile(r"[A-Z][A-Za-z0-9]*")
"""A step of a DICOM path: an element by its keyword; the parts of a name begin with a small letter."""


@dataclass(frozen=True, slots=True)
class Draft:
    """One rule as written: its keys, their places, and the rules below it; `shaped` says that a shape gave it."""

    event: str
    node: Any
    keys: Mapping[str, Any]
    rules: tuple[Draft, ...] = ()
    shaped: bool = False


@dataclass(slots=True)
class Paper:
    """The whole file, with what it extends and includes."""

    node: Any
    name: str = ""
    version: str = ""
    v2: dict[str, Any] = field(default_factory=dict)
    fhir: dict[str, Any] = field(default_factory=dict)
    events: Any = None
    tables: dict[str, Any] = field(default_factory=dict)
    shapes: dict[str, tuple[Draft, ...]] = field(default_factory=dict)
    rules: tuple[Draft, ...] = ()
    drop: tuple[Any, ...] = ()
    compute: tuple[Any, ...] = ()


def read_paper(tree: Any, faults: Faults, find: Find, *, depth: int = 0) -> Paper:
    """Return a file's content laid over what it extends; what is wrong goes to `faults`."""
    paper = Paper(tree)
    if not isinstance(tree, Mapping):
        faults.add(tree, "a mapper is a mapping of keys: mapper, version, v2, fhir, rules")
        return paper
    _known(tree, TOP_KEYS, faults)
    if "extends" in tree:
        paper = _base(tree, faults, find, depth)
        paper.node = tree
    for name in _texts(tree.get("include", ()), faults):
        _include(name, paper, faults, find)
    paper.name = str(tree.get("mapper", paper.name))
    paper.version = str(tree.get("version", paper.version))
    for side, over in (("v2", paper.v2), ("fhir", paper.fhir)):
        _lay(over, tree.get(side, {}), faults)
    paper.events = tree.get("events", paper.events)
    _lay(paper.tables, tree.get("tables", {}), faults)
    for name, node in _mapping(tree.get("shapes", {}), faults).items():
        paper.shapes[name] = _drafts(node, faults)
    gone = {str(one) for one in _texts(tree.get("remove", ()), faults)}
    paper.rules = laid_over(_without(paper.rules, gone, tree, faults), _drafts(tree.get("rules", ()), faults))
    paper.drop += tuple(_list(tree.get("drop", ()), faults))
    paper.compute = _computed(paper.compute, _list(tree.get("compute", ()), faults))
    return paper


def _computed(base: Sequence[Any], more: Sequence[Any]) -> tuple[Any, ...]:
    """Return what is computed, less what is computed anew for one of its places."""
    anew = {place for node in more for place in _places(node)}
    return (*(node for node in base if not anew & _places(node)), *more)


def _places(node: Any) -> set[tuple[str, str]]:
    """Return (side, place) of everything that a computed value is written to."""
    if not isinstance(node, Mapping):
        return set()
    said = {
        key: [value] if isinstance(value, str) else value for key, value in node.items() if key != "value"
    }
    return {(key, str(place)) for key, places in said.items() if isinstance(places, list) for place in places}


def laid_over(base: Sequence[Draft], more: Sequence[Draft]) -> tuple[Draft, ...]:
    """Return `base` with the rules of `more`: same event path replaces, a list with nothing but rules adds to it."""
    known = [(rule.event, _guard(rule)) for rule in base]
    result = list(base)
    for rule in more:
        same = [at for at, name in enumerate(known) if name == (rule.event, _guard(rule))]
        if not same and _guard(rule) == "":
            same = [at for at, (event, _) in enumerate(known) if event == rule.event][:1]
        if not same:
            result.append(rule)
        elif rule.rules and not set(rule.keys) - {"event", "rules"}:
            old = result[same[0]]
            result[same[0]] = replace(old, rules=laid_over(old.rules, rule.rules))
        else:
            result[same[0]] = rule
    return tuple(result)


def shaped(
    rule: Draft, shapes: Mapping[str, tuple[Draft, ...]], faults: Faults, depth: int = 0
) -> tuple[Draft, ...]:
    """Return the rules below one, those of its shape first."""
    name = rule.keys.get("shape")
    if name is None:
        return rule.rules
    found = shapes.get(str(name))
    if found is None:
        faults.add(
            name, f"there is no shape {name}", help=f"there are: {', '.join(sorted(shapes)) or 'none'}"
        )
        return rule.rules
    if depth > _MAX_DEPTH:
        faults.add(name, f"the shape {name} holds itself")
        return ()
    gone = {str(one) for one in _texts(rule.keys.get("without", ()), faults)}
    for one in gone - {inner.event for inner in found}:
        faults.add(rule.keys["without"], f"the shape {name} has no {one}")
    kept = tuple(replace(inner, shaped=True) for inner in found if inner.event not in gone)
    return laid_over(kept, rule.rules)


def _guard(rule: Draft) -> str:
    return str(rule.keys.get("when", ""))


def _base(tree: Any, faults: Faults, find: Find, depth: int) -> Paper:
    name = tree["extends"]
    base = find(str(name)) if depth < _MAX_DEPTH else None
    if base is None:
        faults.add(name, f"there is no mapper {name} to extend, or it extends itself")
        return Paper(tree)
    return read_paper(base, faults, find, depth=depth + 1)


def _include(name: Any, paper: Paper, faults: Faults, find: Find) -> None:
    tree = find(str(name))
    if not isinstance(tree, Mapping):
        faults.add(name, f"there is no file {name} of shapes and tables")
        return
    _known(tree, frozenset({"shapes", "tables", "description"}), faults)
    _lay(paper.tables, tree.get("tables", {}), faults)
    for shape, node in _mapping(tree.get("shapes", {}), faults).items():
        paper.shapes[shape] = _drafts(node, faults)


def _lay(over: dict[str, Any], node: Any, faults: Faults) -> None:
    """Lay the keys of a mapping over what is there; `slots` merge by name."""
    for key, value in _mapping(node, faults).items():
        if key == "slots" and isinstance(value, Mapping):
            over[key] = {**over.get(key, {}), **value}
        else:
            over[key] = value


def _drafts(node: Any, faults: Faults) -> tuple[Draft, ...]:
    found = []
    for one in _list(node, faults):
        if not isinstance(one, Mapping):
            faults.add(one, "a rule is a mapping: {event: ..., v2: ..., fhir: ...}")
            continue
        _known(one, RULE_KEYS | {"compute"}, faults)
        if "compute" in one:
            faults.add(
                key_mark(one, "compute"), _COMPUTE, help="its place may be an item: json: items[0].label"
            )
        if not isinstance(one.get("event"), str):
            faults.add(one, "a rule names its event path: event: patient.birthDate")
            continue
        keys = _moved(one, faults)
        keys.pop("compute", None)  # told above
        found.append(Draft(str(one["event"]), one, keys, _drafts(one.get("rules", ()), faults)))
    return tuple(found)


class Moved(str):
    """The path of a rule's `dicom:` as its `json:` has it; it stands where it was written."""

    mark: Any

    @classmethod
    def of(cls, node: Any, *, several: bool) -> Moved:
        """Return the path over data sets by keywords, where an element is a list: its first value unless `several`."""
        steps = str(node).split(".")
        last = len(steps) - 1
        text = ".".join(
            f"{step}[0]" if _KEYWORD.fullmatch(step) and not (several and at == last) else step
            for at, step in enumerate(steps)
        )
        made = cls(text)
        made.mark = getattr(node, "mark", None)
        return made


def _moved(rule: Mapping[str, Any], faults: Faults) -> dict[str, Any]:
    """Return the keys of a rule, those of a DICOM side as keys of the side of other JSON."""
    keys = dict(rule)
    default = keys.get("default")
    if isinstance(default, Mapping) and "dicom" in default:
        keys["default"] = {("json" if side == "dicom" else side): value for side, value in default.items()}
    if "dicom" not in keys:
        return keys
    node = keys.pop("dicom")
    if "json" in keys:
        faults.add(node, "a rule has a dicom: side or a json: side, not both")
        return keys
    several = str(rule["event"]).endswith("[]")
    nodes = node if isinstance(node, list | tuple) else [node]
    moved = [Moved.of(one, several=several) if str(one) != "none" else one for one in nodes]
    keys["json"] = moved if isinstance(node, list | tuple) else moved[0]
    return keys


def _without(rules: tuple[Draft, ...], gone: set[str], tree: Any, faults: Faults) -> tuple[Draft, ...]:
    for name in gone - {rule.event for rule in rules}:
        faults.add(key_mark(tree, "remove"), f"there is no rule {name} to remove")
    return tuple(rule for rule in rules if rule.event not in gone)


def _known(node: Mapping[str, Any], keys: frozenset[str], faults: Faults) -> None:
    for key in node:
        if key not in keys:
            close = sorted(keys, key=lambda one: -len(set(one) & set(key)) + abs(len(one) - len(key)))[:1]
            faults.add(key_mark(node, key), f'unknown key "{key}"', help=f"did you mean {close[0]}?")


def _mapping(node: Any, faults: Faults) -> Mapping[str, Any]:
    if isinstance(node, Mapping):
        return node
    faults.add(node, "a mapping is needed here")
    return {}


def _list(node: Any, faults: Faults) -> Sequence[Any]:
    if isinstance(node, list | tuple):
        return node
    faults.add(node, "a list is needed here")
    return ()


def _texts(node: Any, faults: Faults) -> Sequence[Any]:
    return [node] if isinstance(node, str) else _list(node, faults)
