"""`passerelle dicom deidentify FILE... --out FOLDER`: copies that are of nobody, by the profile that routes use."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from engine.cli.desk import Desk, desk_options
from engine.cli.dicom.instances import PATH, files_in
from engine.cli.exits import Exit

if TYPE_CHECKING:
    from engine.spi import Step

_OPTIONS = (
    "retain_uids", "retain_device_identity", "retain_institution_identity", "retain_patient_characteristics",
    "retain_full_dates", "retain_modified_dates", "clean_descriptors", "clean_structured_content",
)  # fmt: skip


@click.command()
@click.argument("paths", nargs=-1, required=True, type=PATH, metavar="FILE|FOLDER...")
@click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for the copies."
)
@click.option(
    "--secret-file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What new UIDs and pseudonyms depend on; without it they hang together within this run only.",
)  # fmt: skip
@click.option(
    "--option",
    "options",
    multiple=True,
    type=click.Choice(_OPTIONS),
    help="An option of the profile; repeat.",
)
@click.option("--patient", type=click.Choice(["pseudonym", "empty"]), default="pseudonym", show_default=True)
@click.option("--word", "words", multiple=True, help="A word that cleaned texts may hold; may be said again.")
@click.option(
    "--safe-private", multiple=True, metavar="PATH", help='As (0019,"CREATOR",0C); may be said again.'
)
@click.option("--burned-in", type=click.Choice(["reject", "pass"]), default="reject", show_default=True)
@desk_options("json", "lang")
def deidentify(desk: Desk, paths: tuple[Path, ...], out: Path, **how: Any) -> int:
    """Write a de-identified copy of each instance, named by its new SOP Instance UID; the originals are not touched.

    The profile is that of DICOM PS3.15, as the step `deidentify` applies it. Ends with 1 when one is refused: its
    pixels identify somebody, or it cannot be read as a whole.
    """
    found = files_in(paths)
    step = _step(**how)
    out.mkdir(parents=True, exist_ok=True)
    written: list[tuple[Path, str]] = []
    failures: list[tuple[Path, str]] = []
    with desk.terminal.progress("deidentify", len(found)) as advance:
        for path in found:
            done, error = _copied(path, out, step)
            if error:
                failures.append((path, error))
            else:
                written.append((path, done))
            advance()
    _tell(desk, written, failures)
    if not found:
        return Exit.NOTHING
    return Exit.FAILED if failures else Exit.OK


def _step(
    *,
    secret_file: Path | None,
    options: tuple[str, ...],
    patient: str,
    words: tuple[str, ...],
    safe_private: tuple[str, ...],
    burned_in: str,
) -> Step:
    """Return the step that a route would have."""
    from pydantic import ValidationError

    from engine.codecs.dicom.profile import Option
    from engine.security.secrets import Secret, load_secret
    from engine.steps.deidentify import DeidentifyConfig, deidentifier

    assert set(_OPTIONS) == set(get_args(Option)), "the command has the options of the step"
    secret = Secret(secrets.token_hex(32)) if secret_file is None else load_secret(secret_file)
    try:
        config = DeidentifyConfig.model_validate(
            {
                "secret": secret,
                "options": options,
                "patient": patient,
                "words": words,
                "safe_private": safe_private,
                "burned_in": burned_in,
            }
        )
    except ValidationError as error:
        told = "; ".join(each["msg"].removeprefix("Value error, ") for each in error.errors())
        raise click.UsageError(told) from None
    return deidentifier(config)


def _copied(path: Path, out: Path, step: Step) -> tuple[str, str]:
    """Return the name of the copy, or why there is none."""
    from engine.codecs.dicom import CODEC
    from engine.errors import Rejected, Transient
    from engine.model import Body, Message
    from engine.spi import Scope

    try:
        body = Body(path.stat().st_size, b"", None, path)
        document = CODEC.decode(Message("", "", body, "dicom", 0))
        scope = Scope(document.root, document.root, {}, 0)
        step(document, scope)
        made = CODEC.body(document, CODEC.content_type)
        name = f"{CODEC.path('SOPInstanceUID').get(document.root) or path.stem}.dcm"
        with (out / name).open("xb") as file:
            for chunk in made.chunks():
                file.write(chunk)
    except (Rejected, Transient) as error:
        return "", str(error)
    except FileExistsError:
        return "", "a copy of it is there already"
    except OSError as error:
        return "", error.strerror or "it cannot be written"
    return name, ""


def _tell(desk: Desk, written: list[tuple[Path, str]], failures: list[tuple[Path, str]]) -> None:
    if desk.as_json:
        desk.terminal.answer(
            {
                "written": [{"file": str(path), "copy": name} for path, name in written],
                "failures": [{"file": str(path), "error": error} for path, error in failures],
            }
        )
        return
    desk.terminal.line(f"{len(written)} written, {len(failures)} refused")
    for path, error in failures:
        desk.terminal.line(f"  {path}: {error}")
