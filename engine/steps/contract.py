"""What a step module offers as `STEP`, and what it is given to compile itself with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict, model_validator

from engine.spi import Codec, CompiledPath, Document, Mapper, Scope, Step, TwoWay


@dataclass(frozen=True, slots=True)
class Written:
    """Marks a text field for `check`: it is an `expression`, a `template`, a document `path` or a name to resolve
    (`mapper`, `schema`); an `item expression` or `item template` stands inside `each`, where `it` exists."""

    what: str


ExpressionText = Annotated[str, Written("expression")]
TemplateText = Annotated[str, Written("template")]
PathText = Annotated[str, Written("path")]
ItemExpressionText = Annotated[str, Written("item expression")]
ItemTemplateText = Annotated[str, Written("item template")]
MapperName = Annotated[str, Written("mapper")]
SchemaName = Annotated[str, Written("schema")]


class StepConfig(BaseModel):
    """Base of every step's configuration: frozen, and an unknown key is an error.

    `shorthand` names the field that a bare scalar or list fills (`keep: msg.a == "1"`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
    shorthand: ClassVar[str] = ""

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, value: Any) -> Any:
        if cls.shorthand and not isinstance(value, Mapping | BaseModel):
            return {cls.shorthand: value}
        return value


class Compiled(Protocol):
    """An expression compiled once."""

    def evaluate(self, scope: Scope) -> Any: ...


class Rendered(Protocol):
    """A template compiled once; `evaluate` gives the bare value where the whole text is one `{expression}`.

    `constant` is the text of one without expressions, else None.
    """

    @property
    def constant(self) -> str | None: ...

    def render(self, scope: Scope) -> str: ...

    def evaluate(self, scope: Scope) -> Any: ...


class SchemaCheck(Protocol):
    """A compiled JSON Schema: `faults` gives (dotted path, text without payload) for everything wrong."""

    def faults(self, root: Any) -> list[tuple[str, str]]: ...


class PartnerIndex(Protocol):
    """The partner directory, as far as a step needs it."""

    def find(self, **identifiers: str) -> Mapping[str, Any] | None:
        """Return the one partner that bears all these identifiers, by index."""


class House(Protocol):
    """What a two-way mapping needs of the codecs and of the configuration around it."""

    @property
    def name(self) -> str:
        """The engine's name, as events say it."""

    def document(self, side: str, root: Any, envelope: Mapping[str, Any] | None = None) -> Document:
        """Wrap what a mapper made."""

    def made(self, side: str, root: Any) -> Document:
        """Wrap what a mapper made without a complement: it says in which character set it is written."""

    def zone(self, scope: Scope) -> str:
        """Return the zone of times without an offset: the listener's, else the sender's, else the engine's."""

    def difference(self, side: str, was: Any, now: Any) -> tuple[int, str] | None:
        """Return the first byte and the path at which two roots differ as they are written, None where nowhere."""


class Workshop(Protocol):
    """Compiles what users wrote, for one codec; raises ExpressionError or NotFound with a position."""

    codec: Codec

    @property
    def directory(self) -> PartnerIndex: ...

    def within(self) -> Workshop:
        """Return the workshop of what stands inside `each`: the same, with the name `it`."""

    def expression(self, text: str) -> Compiled: ...

    def template(self, text: str) -> Rendered: ...

    def path(self, text: str) -> CompiledPath: ...

    def mapper(self, name: str) -> Mapper:
        """Return a one-way mapper."""

    def two_way(self, name: str) -> TwoWay | None:
        """Return a two-way mapper, None where the mapper of that name is one-way."""

    @property
    def house(self) -> House: ...

    def schema(self, name: str) -> SchemaCheck: ...


@dataclass(frozen=True, slots=True)
class StepType:
    """One kind of step: its name in a route, the model of what users write, and how it is compiled."""

    name: str
    config: type[StepConfig]
    build: Callable[[Any, Workshop], Step]
