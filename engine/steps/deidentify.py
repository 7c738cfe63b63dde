"""`deidentify`: make a DICOM instance one of nobody, by the Basic Profile of PS3.15 and its options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, PlainValidator, WithJsonSchema, model_validator

from engine.codecs.dicom.profile import Option
from engine.errors import ExpressionError
from engine.security.secrets import Secret
from engine.spi import Document, Scope
from engine.steps.contract import PathText, StepConfig, StepType, Workshop

if TYPE_CHECKING:
    from engine.codecs.dicom.deidentifying import Deidentifier

_SHORTEST = 16


def _referred(value: Any) -> Secret:
    """Take a secret that the configuration refers to; one that stands in the file is refused."""
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str) or getattr(value, "filling", value) is None:
        raise ValueError(
            "a secret stands here in clear: refer to it, ${cred:name}, ${file:path} or ${env:VAR}"
        )
    if len(value) < _SHORTEST:
        raise ValueError(f"a secret of at least {_SHORTEST} characters is needed")
    return Secret(str(value))


SecretText = Annotated[
    Secret, PlainValidator(_referred), WithJsonSchema({"type": "string", "pattern": r"^\$\{"})
]


class DeidentifyConfig(StepConfig):
    """The Basic Application Level Confidentiality Profile (PS3.15 E, 2024b): private attributes and graphics are
    removed, UIDs and dates replaced. Stands in a destination's `steps`: each destination has a secret of its own, so
    that two of them cannot put together what they got."""

    secret: SecretText
    """By reference, at least 16 characters. From it and the original come the new UIDs, the pseudonyms and the days by
    which dates are shifted: the same ones as long as the secret is the same."""
    options: list[Option] = Field(default_factory=list)
    """Options of the profile: what is kept (`retain_...`) or cleaned (`clean_...`) that the profile alone removes."""
    patient: Literal["pseudonym", "empty"] = "pseudonym"
    """What Patient ID and Patient's Name become: a keyed pseudonym, so that studies of one person stay together, or
    nothing."""
    words: list[str] = Field(default_factory=list)
    """With a `clean_...` option: words that texts may hold beside those of anatomy and technique that are known to be
    harmless. All other words are left out."""
    safe_private: list[PathText] = Field(default_factory=list)
    """Private attributes that are known to identify nobody, as `(0019,"CREATOR",0C)`; they stay."""
    burned_in: Literal["reject", "pass"] = "reject"
    """An instance that says that annotations are burned in, or a face can be recognized: refused with the code
    `burned_in`, or passed with its pixels as they are."""

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if {"retain_full_dates", "retain_modified_dates"} <= set(self.options):
            raise ValueError("dates are retained in full or modified, not both")
        if self.words and not any(option.startswith("clean_") for option in self.options):
            raise ValueError("`words` goes with an option that cleans texts")
        return self


@dataclass(frozen=True, slots=True)
class Deidentify:
    """The compiled step."""

    how: Deidentifier

    def __call__(self, document: Document, scope: Scope) -> Sequence[Document]:
        self.how.apply(document.root)
        return (document,)


def deidentifier(config: DeidentifyConfig) -> Deidentify:
    """Return the step; ExpressionError where a private attribute is none."""
    from engine.codecs.dicom.deidentifying import Deidentifier  # no other route needs it
    from engine.codecs.dicom.grammar import places
    from engine.codecs.dicom.profile import Profile
    from engine.codecs.dicom.substitutes import Substitutes, words_of

    safe = []
    for text in config.safe_private:
        found = places(text)
        if len(found) != 1 or not found[0].creator:
            raise ExpressionError(f'{text} is no private attribute: write (0019,"CREATOR",0C)')
        safe.append((found[0].tag >> 16, found[0].creator, found[0].tag & 0xFF))
    return Deidentify(
        Deidentifier(
            Profile.of(config.options),
            Substitutes(config.secret.reveal().encode(), words_of(tuple(config.words))),
            tuple(safe),
            pseudonym=config.patient == "pseudonym",
            burned_in=config.burned_in == "pass",
        )
    )


def _build(config: DeidentifyConfig, workshop: Workshop) -> Deidentify:
    if workshop.codec.name != "dicom":
        raise ExpressionError(f"only DICOM is de-identified, and the document here is {workshop.codec.name}")
    return deidentifier(config)


STEP = StepType("deidentify", DeidentifyConfig, _build)
