"""Every key that can be written in YAML has an effect: the product reads what its model parses (STYLE 12).

A key counts as read where a file of the product that deals with its model takes the attribute of that name: for the
models of engine/config a file outside of it that deals with configurations, for those of a channel or a step the files
of its package. What only the loading needs is named with the test that observes it.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from engine.config.partner import PartnerConfig
from engine.config.plugins import Role, installed
from engine.config.route import RouteConfig
from engine.config.settings import AppConfig

ROOT = Path(__file__).parents[1]
ROLES: tuple[Role, ...] = ("listener", "endpoint", "connection")

OBSERVED_BY: Mapping[str, str] = {
    "AppConfig.include": "tests/config/test_load.py::test_an_included_file_may_hold_sections",
    "AppConfig.step_lists": "tests/config/test_load.py::test_a_step_list_stands_where_it_is_used",
    "AppConfig.templates": "tests/config/test_clinics.py::test_a_template_or_a_file_that_is_not_there_is_named",
    "EndpointConfig.jurisdiction": "tests/config/test_broken.py::test_a_broken_file_is_refused_at_the_very_characters",
    "Jurisdiction.assessment": "tests/config/test_broken.py::test_a_broken_file_is_refused_at_the_very_characters",
    "Subscription.as_": "tests/runtime/receiving/test_subscribing.py::test_a_form_is_made_for_those_who_want_it",
}
"""Keys that act while a configuration is loaded and checked, and the test that sees it."""


def models_within(*roots: type[BaseModel]) -> list[type[BaseModel]]:
    """Return models and those of their keys, each once."""
    found: dict[type[BaseModel], None] = {}
    waiting = list(roots)
    while waiting:
        model = waiting.pop()
        if model not in found:
            found[model] = None
            waiting += (part for field in model.model_fields.values() for part in models_in(field.annotation))
    return list(found)


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Give the models that a type speaks of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from models_in(argument)


def all_models() -> list[type[BaseModel]]:
    """Return every model that a file of a project can be read as."""
    plugins = installed()
    channels = [model for role in ROLES for model in plugins.models(role).values()]
    steps = [plugins.step_type(name).config for name in plugins.step_names()]
    return models_within(AppConfig, RouteConfig, PartnerConfig, *channels, *steps)


def owner_of(model: type[BaseModel], name: str) -> type[BaseModel]:
    """Return the class that declares a field."""
    return next(each for each in reversed(model.__mro__) if name in vars(each).get("__annotations__", {}))


def all_keys() -> dict[str, type[BaseModel]]:
    """Return `Model.field` of every key, with the model that declares it."""
    owners = ((owner_of(model, name), name) for model in all_models() for name in model.model_fields)
    return {f"{owner.__name__}.{name}": owner for owner, name in owners}


@cache
def attributes_read(path: Path) -> frozenset[str]:
    """Return the names of the attributes that a file takes."""
    nodes = ast.walk(ast.parse(path.read_text()))
    return frozenset(
        node.attr for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    )


@cache
def readers_of(owner: type[BaseModel]) -> tuple[Path, ...]:
    """Return the files of the product that deal with a model."""
    declared = sys.modules[owner.__module__].__file__
    assert declared is not None
    home = Path(declared).relative_to(ROOT)
    if home.parts[0] == "channels":
        if home.parts[1].startswith("_"):  # what several channels share, and each of them may read
            return tuple(sorted((ROOT / "channels").rglob("*.py")))
        package = ROOT.joinpath(*home.parts[:2])
        return (package,) if package.is_file() else tuple(sorted(package.rglob("*.py")))
    if home.parts[:2] == ("engine", "steps"):
        return tuple(sorted((ROOT / "engine" / "steps").glob("*.py")))
    files = [path for top in ("engine", "channels") for path in sorted((ROOT / top).rglob("*.py"))]
    outside = [path for path in files if ROOT / "engine" / "config" not in path.parents]
    return tuple(
        path
        for path in outside
        if "engine.config" in (text := path.read_text()) or "engine.app import" in text
    )


KEYS = all_keys()


def is_read(key: str) -> bool:
    return any(key.partition(".")[2] in attributes_read(path) for path in readers_of(KEYS[key]))


@pytest.mark.parametrize("key", sorted(KEYS))
def test_a_key_has_an_effect(key: str) -> None:
    if key in OBSERVED_BY:
        file, _, name = OBSERVED_BY[key].partition("::")
        assert f"def {name}(" in (ROOT / file).read_text()
        assert not is_read(key), "the product reads it: no need to name a test"
        return
    assert is_read(key), f"nothing in the product reads {key}: implement it or take it away"


def test_all_keys_are_walked() -> None:
    assert len(KEYS) > 120
    assert {"AmqpEndpoint.exchange", "RetryPolicy.backoff", "MapConfig.mapper", "Supersede.version"} <= set(
        KEYS
    )
    assert set(OBSERVED_BY) <= set(KEYS)


def test_a_key_that_nothing_reads_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KEYS, "Retention.colour", KEYS["Retention.payload"])
    assert not is_read("Retention.colour")
    assert is_read("Retention.payload")
