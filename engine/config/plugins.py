"""Finds which channel or step a mapping is for by which of its keys names one, and validates it as that.

So in YAML the channel's type is the key: `public: {rest: 127.0.0.1:8443, tls: server}`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_origin

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError, ValidationInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from engine.config.models import ConnectionConfig, EndpointConfig, ListenerConfig, explained, keys_of
from engine.config.reading import kind
from engine.config.suggest import did_you_mean, hint
from engine.errors import NotFound
from engine.spi import ChannelType
from engine.steps import StepConfig, StepType

Role = Literal["listener", "endpoint", "connection"]

_CAN: Mapping[Role, str] = {
    "listener": "be a listener",
    "endpoint": "be an endpoint",
    "connection": "be a connection",
}
_NOUNS: Mapping[Role, str] = {
    "listener": "[listener](channels.md#every-listener)",
    "endpoint": "[endpoint](channels.md#every-endpoint)",
    "connection": "[connection](channels.md#every-connection)",
}
_ROLES: Mapping[Role, type[BaseModel]] = {
    "listener": ListenerConfig,
    "endpoint": EndpointConfig,
    "connection": ConnectionConfig,
}


@dataclass(frozen=True, slots=True)
class Plugins:
    """The channels and steps that a configuration may name; the context that models are validated in."""

    channel_names: Callable[[], Sequence[str]]
    channel_type: Callable[[str], ChannelType]
    step_names: Callable[[], Sequence[str]]
    step_type: Callable[[str], StepType]

    def models(self, role: Role) -> dict[str, type[BaseModel]]:
        """Return the model of every channel that can be used in `role`, by its name."""
        found = ((name, getattr(self.channel_type(name), role)) for name in self.channel_names())
        return {name: model for name, model in found if model is not None}


def installed() -> Plugins:
    """Return what is installed beside the engine."""
    from engine.registry import channel_names, channel_type
    from engine.steps import step_names, step_type

    return Plugins(channel_names, channel_type, step_names, step_type)


SchemaOf = Callable[[type[BaseModel]], JsonSchemaValue]
"""Gives the JSON Schema of a model, as a reference to its definition."""


class Finding(Exception):
    """One thing wrong with a value: at one of its keys (`key`), or at the value at some location (`at`)."""

    def __init__(
        self, message: str, *, key: str = "", at: tuple[str | int, ...] = (), help: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.key = key
        self.at = at
        self.help = help

    def as_validation_error(self, value: object) -> ValidationError:
        """Return it as pydantic's own error, placed at the key."""
        told = PydanticCustomError(
            "unknown_key" if self.key else "scalar", "{told}", {"told": self.message, "help": self.help}
        )
        detail: InitErrorDetails = {"type": told, "loc": (self.key,) if self.key else self.at, "input": value}
        return ValidationError.from_exception_data("configuration", [detail])


@dataclass(frozen=True, slots=True)
class Picked:
    """Metadata: `pick` reads a value with the plug-ins at hand, `describe` gives the JSON Schemas of what it may be.

    `noun` is what the reference calls it.
    """

    noun: str
    pick: Callable[[Any, Plugins], Any]
    describe: Callable[[Plugins, SchemaOf], Sequence[JsonSchemaValue]]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(self._validate)

    def _validate(self, value: Any, info: ValidationInfo) -> Any:
        plugins = info.context if isinstance(info.context, Plugins) else installed()
        try:
            return self.pick(value, plugins)
        except Finding as finding:
            raise finding.as_validation_error(value) from None

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        choices = list(self.describe(installed(), lambda model: handler(model.__pydantic_core_schema__)))
        return choices[0] if len(choices) == 1 else {"anyOf": choices}


def picked_channel(role: Role) -> Picked:
    """Return metadata for a mapping whose channel is named by one of its keys."""
    return Picked(
        _NOUNS[role],
        lambda value, plugins: _validate_channel(value, plugins, role),
        lambda plugins, schema_of: [schema_of(model) for model in plugins.models(role).values()],
    )


def _validate_channel(value: Any, plugins: Plugins, role: Role) -> Any:
    if isinstance(value, _ROLES[role]):
        return value
    if not isinstance(value, dict):
        raise PydanticCustomError(
            "kind", "expected {noun}, found {found}", {"noun": "a mapping", "found": kind(value)}
        )
    names = [key for key in value if key in plugins.channel_names()]
    if not names:
        raise _no_channel(value, plugins, role)
    try:
        model = getattr(plugins.channel_type(names[0]), role)
    except (NotFound, ImportError) as error:
        raise Finding(f'the channel "{names[0]}" cannot be loaded: {error}', key=names[0]) from None
    if model is None:
        able = ", ".join(plugins.models(role))
        raise Finding(f'"{names[0]}" cannot {_CAN[role]}', key=names[0], help=f"these can: {able}")
    second = next((name for name in names[1:] if name not in keys_of(model)), None)
    if second:
        raise Finding(
            f'a second channel beside "{names[0]}"', key=second, help="give each channel an entry of its own"
        )
    return model.model_validate(value, context=plugins)


def _no_channel(value: Mapping[str, Any], plugins: Plugins, role: Role) -> Finding:
    able = list(plugins.models(role))
    known = keys_of(_ROLES[role])
    unknown = [str(key) for key in value if key not in known]
    for key in unknown:
        if meant := did_you_mean(key, able):
            return Finding(f'unknown key "{key}"', key=key, help=f'did you mean "{meant}"?')
    types = f"one key is the channel's type: {', '.join(able)}"
    if unknown:
        return Finding(f'unknown key "{unknown[0]}", and none names a channel', key=unknown[0], help=types)
    return Finding("no key here names a channel", help=types)


# --------------------------------------------------------------------------- steps

STEP_LIST = "do"
"""`do: name` stands for the steps of `step_lists: {name: [...]}`; the loader puts them in its place."""


def picked_step() -> Picked:
    """Return metadata for a step: a mapping of one step's name to its configuration."""
    return Picked("[step](steps.md)", _validate_step, _step_schemas)


def _validate_step(value: Any, plugins: Plugins) -> dict[str, Any]:
    if not isinstance(value, dict):
        found = kind(value)
        raise PydanticCustomError(
            "kind", "expected {noun}, found {found}", {"noun": "a step", "found": found}
        )
    if len(value) != 1:
        second = list(value)[1] if value else ""
        raise Finding("a step is one key", key=second, help="begin each step with a dash")
    (name, config), *_ = value.items()
    if isinstance(config, StepConfig):
        return {name: config}
    if name == STEP_LIST:
        if not isinstance(config, str) or not config:
            raise Finding(f"expected the name of a step list, found {kind(config)}", at=(STEP_LIST,))
        return {name: config}
    if name not in plugins.step_names():
        raise Finding(f'unknown step "{name}"', key=name, help=hint(name, [*plugins.step_names(), STEP_LIST]))
    model = plugins.step_type(name).config
    if isinstance(config, dict) and _takes_mapping(model) and not set(config) & set(keys_of(model)):
        config = {model.shorthand: config}  # `set: {MSH-5: RIS}`: the mapping itself is the shorthand
    try:
        return {str(name): model.model_validate(config, context=plugins)}
    except ValidationError as error:
        raise _below(name, explained(model, error)) from None


def _takes_mapping(model: type[StepConfig]) -> bool:
    """Tell whether the field that a step's shorthand fills is itself a mapping."""
    field = model.model_fields.get(model.shorthand)
    return field is not None and get_origin(field.annotation) is dict


def _below(key: str, error: ValidationError) -> ValidationError:
    """Return the same findings one key deeper."""
    details: list[InitErrorDetails] = []
    for item in error.errors(include_url=False):
        told = PydanticCustomError(item["type"], item["msg"], item.get("ctx"))
        details.append({"type": told, "loc": (key, *item["loc"]), "input": item["input"]})
    return ValidationError.from_exception_data(error.title, details)


def _step_schemas(plugins: Plugins, schema_of: SchemaOf) -> list[JsonSchemaValue]:
    properties: dict[str, Any] = {
        STEP_LIST: {"type": "string", "description": "The steps of a list under `step_lists`."}
    }
    for name in plugins.step_names():
        model = plugins.step_type(name).config
        short = {"type": "object" if _takes_mapping(model) else ["string", "number", "boolean", "array"]}
        properties[name] = {"anyOf": [schema_of(model), short]} if model.shorthand else schema_of(model)
    return [
        {
            "type": "object",
            "properties": properties,
            "additionalProperties": False,
            "minProperties": 1,
            "maxProperties": 1,
        }
    ]
