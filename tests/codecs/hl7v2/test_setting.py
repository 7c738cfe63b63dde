"""Changes: only the bytes of what is set differ, what is missing on the way is made, what cannot be is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from engine.codecs.hl7v2 import CODEC
from engine.codecs.hl7v2.paths import compile_path
from engine.codecs.hl7v2.reading import parse
from engine.codecs.hl7v2.writing import write
from engine.errors import Rejected
from tests.codecs.hl7v2.samples import ADT, ORU

START = "MSH|^~\\&|A|B|C|D\r"
PID = "PID|1||7^^^H&2^MR~8^^^R^JHN||T^J\r"


def after(path: str, value: Any, text: str = PID) -> str:
    """Return what follows MSH once a value was set."""
    root = parse((START + text).encode())
    compile_path(path).set(root, value)
    return write(root).decode().removeprefix(START)


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ("PID-1", "2", "PID|2||7^^^H&2^MR~8^^^R^JHN||T^J\r"),
        ("PID-2", "x", "PID|1|x|7^^^H&2^MR~8^^^R^JHN||T^J\r"),
        ("PID-8", "M", "PID|1||7^^^H&2^MR~8^^^R^JHN||T^J|||M\r"),
        ("PID-3.1", "9", "PID|1||9^^^H&2^MR~8^^^R^JHN||T^J\r"),
        ("PID-3.4.1", "I", "PID|1||7^^^I&2^MR~8^^^R^JHN||T^J\r"),
        ("PID-3.4.3", "ISO", "PID|1||7^^^H&2&ISO^MR~8^^^R^JHN||T^J\r"),
        ("PID-3.4", "a&b", "PID|1||7^^^a\\T\\b^MR~8^^^R^JHN||T^J\r"),
        ("PID-3[2].4.2", "x", "PID|1||7^^^H&2^MR~8^^^R&x^JHN||T^J\r"),
        ('PID-3[.5 == "JHN"].1', "9", "PID|1||7^^^H&2^MR~9^^^R^JHN||T^J\r"),
        ("PID-3[3].5", "NEW", "PID|1||7^^^H&2^MR~8^^^R^JHN~^^^^NEW||T^J\r"),
        ("PID-3[*].5", "X", "PID|1||7^^^H&2^X~8^^^R^X||T^J\r"),
        ("PID-3[1]", "z", "PID|1||z~8^^^R^JHN||T^J\r"),
        ("PID-3", "z", "PID|1||z||T^J\r"),
        ("PID-5", None, 'PID|1||7^^^H&2^MR~8^^^R^JHN||""\r'),
        ("PID-5.2", None, 'PID|1||7^^^H&2^MR~8^^^R^JHN||T^""\r'),
        ("PID-5", "", "PID|1||7^^^H&2^MR~8^^^R^JHN||\r"),
        ("PID-5", 5, "PID|1||7^^^H&2^MR~8^^^R^JHN||5\r"),
        ("PID-5", Decimal("1E+3"), "PID|1||7^^^H&2^MR~8^^^R^JHN||1000\r"),
        ("PID-5", "a|b^c\nd", "PID|1||7^^^H&2^MR~8^^^R^JHN||a\\F\\b\\S\\c\\X0A\\d\r"),
        ("PID-9", "", PID),
        ("PID-3.9", "", PID),
        ("PID-3.1", "7", PID),
        ("ZPV-2", "x", PID + "ZPV||x\r"),
        ("PID[2]-1", "x", PID + "PID|x\r"),
        ("PID[*]-1", "x", PID.replace("1", "x", 1)),
        ("NK1[*]-1", "x", PID),
    ],
)
def test_a_value_is_set(path: str, value: Any, text: str) -> None:
    assert after(path, value) == text


@pytest.mark.parametrize(
    "raw", ["\\X41\\", "A\\F\\B", "\\E\\", "lone \\ one", "\\.br\\", '""', "a^b&c~d", "^^", "a\\T\\b^c"]
)
def test_what_is_written_back_unchanged_keeps_its_spelling(raw: str) -> None:
    text = f"PID|1||{raw}|x\r"
    root = parse((START + text).encode())
    for path in ("PID-3", "PID-3[1]", "PID-3.1", "PID-3.1.1", "PID-3[2]", "PID-3[3].2"):
        compile_path(path).set(root, compile_path(path).get(root))
    assert write(root) == (START + text).encode()
    assert not root.changed


def test_a_new_segment_stands_behind_the_last_of_its_name() -> None:
    root = parse(ORU.encode())
    compile_path("OBX[4]-5").set(root, "x")
    assert write(root) == (ORU + "OBX|||||x\r").encode()
    compile_path("NTE[2]-3").set(root, "y")
    assert b"NTE|1||note one\rNTE|||y\rOBX|1" in write(root)


def test_all_segments_of_a_name_are_removed() -> None:
    root = parse(ORU.encode())
    compile_path("OBX").remove(root)
    compile_path("NTE[*]").remove(root)
    compile_path("ORC[2]").remove(root)
    compile_path("ZZZ").remove(root)
    assert [text[:3] for text in root.texts()] == ["MSH", "PID", "ORC", "OBR", "OBR", ""]
    assert compile_path("OBX").get(root) == ""


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("PID-1", "PID|||7^^^H&2^MR~8^^^R^JHN||T^J\r"),
        ("PID-3", "PID|1||||T^J\r"),
        ("PID-3[*]", "PID|1||||T^J\r"),
        ("PID-3[1]", "PID|1||8^^^R^JHN||T^J\r"),
        ('PID-3[.5 == "JHN"]', "PID|1||7^^^H&2^MR||T^J\r"),
        ("PID-3.4", "PID|1||7^^^^MR~8^^^R^JHN||T^J\r"),
        ("PID-3.4.2", "PID|1||7^^^H&^MR~8^^^R^JHN||T^J\r"),
        ("PID-3[*].1", "PID|1||^^^H&2^MR~^^^R^JHN||T^J\r"),
        ("PID-9", PID),
        ("PID-3[7]", PID),
        ("NK1-2", PID),
    ],
)
def test_a_value_is_removed(path: str, text: str) -> None:
    root = parse((START + PID).encode())
    compile_path(path).remove(root)
    assert write(root).decode() == START + text


def test_parts_are_copied_between_fields_components_and_delimiters() -> None:
    source = parse(ADT.encode())
    target = parse(b"MSH#!@%*#A\rPID#1\r")
    compile_path("PID-3").set(target, compile_path("PID-3").get(source))
    compile_path("PID-4").set(target, compile_path("PID-3.4").get(source))
    compile_path("PID-5.3").set(target, compile_path("MSH-6").get(source))
    compile_path("PID-6").set(target, compile_path("ZPV-2").get(source))
    compile_path("PID-7").set(target, compile_path("PV1-5").get(source))
    assert write(target).decode().split("\r")[1] == (
        'PID#1##1234567!!!HSJ*2.16.2*ISO!MR@TREM12345678!!!RAMQ!JHN#HSJ!2.16.2!ISO#!!CHUQ*2.16.1*ISO#b&c#""!x'
    )


def test_a_segment_is_copied_into_another_message() -> None:
    source, target = parse(ORU.encode()), parse(b"MSH#!@%*#A\rOBX#9#x#y\r")
    compile_path("OBX").set(target, compile_path("OBX[2]").get(source))
    compile_path("OBX[2]").set(target, compile_path("OBX[3]").get(source))
    assert write(target) == (
        b"MSH#!@%*#A\rOBX#2#ED#PDF##!application!pdf!Base64!QUJD######F\r"
        b"OBX#1#NM#NA!Sodium##140@141#mmol/L#####P\r"
    )


def test_a_segment_changes_its_own_message() -> None:
    root = parse(ORU.encode())
    for segment in compile_path("OBX").get(root):
        compile_path("OBX-3.4").set(segment, "L")
    assert compile_path("OBX[*]-3.4").get(root) == ["L", "L", "L"]
    assert write(root) != ORU.encode()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("MSH-1", "x"),
        ("MSH-2", "x"),
        ("PID-1", True),
        ("PID-1", ["x"]),
        ("PID-1", 1.5),
        ("PID[3]-1", "x"),
        ("PID-3[4].1", "x"),
        ('PID-3[.5 == "NO"].1', "x"),
        ("OBX[OBX-2 == 'ED']-1", "x"),
        ("MSH[2]-3", "x"),
        ("FHS-3", "x"),
        ("PID", "PID|1"),
        ("PID[9]", "x"),
        (".1", "x"),
    ],
)
def test_what_cannot_be_set_is_refused_with_its_path(path: str, value: Any) -> None:
    with pytest.raises(Rejected) as caught:
        after(path, value)
    assert caught.value.faults[0].path == path


@pytest.mark.parametrize("path", ["MSH", "MSH-1", "MSH-2", ".1"])
def test_what_cannot_be_removed_is_refused(path: str) -> None:
    with pytest.raises(Rejected):
        compile_path(path).remove(parse(START.encode()))


@pytest.mark.parametrize(
    ("path", "source"), [("PID-3.1", "PID-3"), ("PID-3.1.1", "PID-3.4"), ("PID-3[1]", "PID-3")]
)
def test_parts_that_do_not_fit_are_refused(path: str, source: str) -> None:
    root = parse(ADT.encode())
    with pytest.raises(Rejected) as caught:
        compile_path(path).set(root, compile_path(source).get(root))
    assert caught.value.faults[0].path == path
    assert not root.changed


@pytest.mark.parametrize("value", ["a&b", '""', "a\rb"])
def test_without_an_escape_character_some_texts_are_refused(value: str) -> None:
    root = parse(b"MSH|^~|A\rPID|1\r")
    with pytest.raises(Rejected):
        compile_path("PID-1").set(root, "|" + value)
    with pytest.raises(Rejected):
        compile_path("PID-1.1.2").set(root, "x")


def test_a_segment_refuses_another_ones_paths() -> None:
    segment = compile_path("OBX[1]").get(parse(ORU.encode()))
    with pytest.raises(Rejected):
        compile_path("PID-1").set(segment, "x")
    with pytest.raises(Rejected):
        compile_path("OBX").remove(segment)


@pytest.mark.parametrize(
    ("path", "text", "raw"),
    [
        ("PID-5", "ADT^A08", "ADT!A08"),
        ("PID-5.1", "HSJ&2.16&ISO", "HSJ*2.16*ISO"),
        ("PID-5.1", "HSJ^2.16^ISO", "HSJ*2.16*ISO"),
        ("PID-5", '""', '""'),
        ("PID-5", "a\\T\\b", "a&b"),
        ("PID-5", "plain", "plain"),
    ],
)
def test_a_literal_in_er7_notation_brings_its_parts(path: str, text: str, raw: str) -> None:
    root = parse(b"MSH#!@%*#A\rPID#1\r")
    compile_path(path).set(root, CODEC.notation(text))
    assert write(root).decode() == f"MSH#!@%*#A\rPID#1####{raw}\r"
