"""The reference of everything that can be written in YAML, as Markdown, made from the models and their docstrings."""

from __future__ import annotations

import re
import types
from collections.abc import Collection, Iterator, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from engine.config.docstrings import described, summary
from engine.config.models import ConnectionConfig, EndpointConfig, ListenerConfig
from engine.config.partner import PartnerConfig
from engine.config.plugins import Picked, Plugins, Role, installed
from engine.config.reading import Reading
from engine.config.route import Destination, FallbackWay, OneOf, RouteConfig, ToRoute, ToSubscribers
from engine.config.schema import written
from engine.config.settings import AppConfig
from engine.steps.contract import Written

_HEAD = "<!-- Made from the models; do not edit. -->\n"
_PLAIN = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false", "Any": "anything"}
_ROLES: Sequence[tuple[Role, str, type[BaseModel]]] = (
    ("listener", "Listener", ListenerConfig),
    ("endpoint", "Endpoint", EndpointConfig),
    ("connection", "Connection", ConnectionConfig),
)


def reference() -> dict[str, str]:
    """Return the pages of docs/reference by file name."""
    plugins = installed()
    routes = (RouteConfig, Destination, FallbackWay, OneOf, ToRoute, ToSubscribers)
    return {
        "config.md": _page(
            "config.yaml", "The engine, its doors, and what routes and partners share.", (AppConfig,)
        ),
        "partners.md": _page("Partners", "Under `partners:`, or one in a file of its own.", (PartnerConfig,)),
        "routes.md": _page("Routes", "One file for each route, its tests beside it.", routes),
        "steps.md": _steps(plugins),
        "channels.md": _channels(plugins),
    }


def _page(title: str, about: str, roots: Sequence[type[BaseModel]]) -> str:
    parts = [_HEAD, f"# {title}\n", f"{about}\n"]
    parts += (_section(model, level=2) for model in _with_parts(roots))
    return "\n".join(parts)


def _steps(plugins: Plugins) -> str:
    parts = [
        _HEAD,
        "# Steps\n",
        "A step is one key. `do: NAME` stands for the steps of a list under `step_lists:`.\n",
    ]
    for name in plugins.step_names():
        model = plugins.step_type(name).config
        parts.append(_section(model, level=2, title=f"`{name}`"))
        if model.shorthand:
            parts.append(f"In short: `{name}: ...` gives `{model.shorthand}`.\n")
    return "\n".join(parts)


def _channels(plugins: Plugins) -> str:
    parts = [_HEAD, "# Channels\n", "The key that is a channel's name says which one it is, and where.\n"]
    nested: dict[type[BaseModel], None] = {}
    for role, title, base in _ROLES:
        parts.append(_section(base, level=2, title=f"Every {title.lower()}"))
        models = plugins.models(role)
        parts += (
            _section(model, level=2, title=f"{title} `{name}`", without=base.model_fields)
            for name, model in models.items()
        )
        for root in (base, *models.values()):
            nested.update(dict.fromkeys(_with_parts((root,))[1:]))
    parts += (_section(model, level=2) for model in nested)
    return "\n".join(parts)


def _section(model: type[BaseModel], *, level: int, title: str = "", without: Collection[str] = ()) -> str:
    """Return one model as a heading, what it says of itself, and a table of its keys."""
    lines = [f"{'#' * level} {title or _title(model)}", "", summary(model), ""]
    told = described(model)
    rows = [
        f"| `{field.alias or name}` | {_type(field)} | {_default(field)} | {_cell(told.get(name, ''))} |"
        for name, field in model.model_fields.items()
        if name not in without
    ]
    if rows:
        lines += ["| key | what | default | meaning |", "|---|---|---|---|", *rows, ""]
    return "\n".join(lines)


def _title(model: type[BaseModel]) -> str:
    words = re.findall("[A-Z][a-z]*", model.__name__.removesuffix("Config"))
    return " ".join(words).capitalize()


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = written(field.default)
    if value is None:
        return ""
    text = (
        str(value).lower()
        if isinstance(value, bool)
        else ", ".join(value)
        if isinstance(value, list)
        else value
    )
    return f"`{text}`"


# --------------------------------------------------------------------------- types in words


def _type(field: FieldInfo) -> str:
    annotation = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    return _cell(_words(annotation))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _words(annotation: Any) -> str:
    """Name a type as the people who write YAML would."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _marked(arguments[1:]) or _words(arguments[0])
    if origin in (Union, types.UnionType):
        return " or ".join(_words(argument) for argument in arguments if argument is not types.NoneType)
    if origin is Literal:
        return " or ".join(f"`{argument}`" for argument in arguments)
    if origin is dict:
        return f"name: {_words(arguments[1])}"
    if origin in (tuple, list):
        return f"list of {_words(arguments[0])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        title = _title(annotation)
        return f"[{title.lower()}](#{title.lower().replace(' ', '-')})"
    return _PLAIN.get(getattr(annotation, "__name__", str(annotation)), "text")


def _marked(metadata: Sequence[Any]) -> str:
    """Return what the metadata of a type calls it, "" where it says nothing."""
    for mark in metadata:
        if isinstance(mark, Reading):
            return mark.noun.removeprefix("an ").removeprefix("a ")
        if isinstance(mark, Written):
            return mark.what
        if isinstance(mark, Picked):
            return mark.noun
    return ""


def _with_parts(roots: Sequence[type[BaseModel]]) -> list[type[BaseModel]]:
    """Return models and the models of their keys, each once, in the order in which they are met."""
    found: dict[type[BaseModel], None] = {}
    waiting = list(roots)
    while waiting:
        model = waiting.pop(0)
        if model not in found:
            found[model] = None
            waiting += (part for field in model.model_fields.values() for part in _parts(field.annotation))
    return list(found)


def _parts(annotation: Any) -> Iterator[type[BaseModel]]:
    """Give the models in a type; channels and steps, which a page of their own describes, are left out."""
    if get_origin(annotation) is Annotated and any(
        isinstance(mark, Picked) for mark in get_args(annotation)[1:]
    ):
        return
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _parts(argument)
