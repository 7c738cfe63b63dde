"""Paths: what each gives, and where the text of one ends."""

from __future__ import annotations

from typing import Any

import pytest

from engine.codecs.hl7v2 import CODEC
from engine.codecs.hl7v2.composite import Composite
from engine.codecs.hl7v2.message import Segment
from engine.codecs.hl7v2.paths import compile_path, path_extent
from engine.codecs.hl7v2.reading import parse
from engine.errors import ExpressionError
from engine.expressions import compile_expression, compile_template
from engine.spi import Scope
from tests.codecs.hl7v2.samples import ADT, ORU


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("PID-1", "1"),
        ("PID-3.1", "1234567"),
        ("PID-3.4", "HSJ&2.16.2&ISO"),
        ("PID-3.4.2", "2.16.2"),
        ("PID-3[2].1", "TREM12345678"),
        ("PID-3[2].4.1", "RAMQ"),
        ('PID-3[.5 == "JHN"].1', "TREM12345678"),
        ("PID-3[.5 == 'MR' and .4.1 == 'HSJ'].1", "1234567"),
        ('PID-3[.4.1 != "HSJ"].5', "JHN"),
        ("PID-3", "1234567^^^HSJ&2.16.2&ISO^MR~TREM12345678^^^RAMQ^JHN"),
        ("PID-3[2]", "TREM12345678^^^RAMQ^JHN"),
        ("PID-3[*].1", ["1234567", "TREM12345678"]),
        ("PID-5.1.2", "de"),
        ("PID-8.1", "M"),
        ("PID-8.1.1", "M"),
        ("PV1-2[1].1.1", "I"),
        ("PV1-4", None),
        ("PV1-4.1.1", None),
        ("PV1-5", '""^x'),
        ("PV1-5.1", None),
        ("PV1-5[.1 == None].2", "x"),
        ("ZPV-2", "b&c"),
        ("MSH-1", "|"),
        ("MSH-2", "^~\\&"),
        ("MSH-2.1", "^~\\&"),
        ("MSH[1]-2", "^~\\&"),
        ("MSH-3", "ADT1"),
        ("MSH-6.2", "2.16.1"),
        ("MSH-9", "ADT^A01^ADT_A01"),
    ],
)
def test_a_path_reads_what_it_says(path: str, value: Any) -> None:
    assert compile_path(path).get(parse(ADT.encode())) == value


@pytest.mark.parametrize(
    "path",
    [
        "PID-2",
        "PID-99",
        "PID-8.2",
        "PID-8.1.2",
        "PID-3[3].1",
        'PID-3[.5 == "X"].1',
        "NK1",
        "NK1-2",
        "NK1[2]-2",
        "MSH[2]-1",
        "FHS-1",
        "PID-3.4.9",
        "PID-3.9",
        "OBX[OBX-2 == 'ED']-5",
        "OBX[3]",
    ],
)
def test_what_is_not_there_is_an_empty_text(path: str) -> None:
    assert compile_path(path).get(parse(ADT.encode())) == ""


@pytest.mark.parametrize("path", ["NK1[*]", "NK1[*]-2", "PID-99[*]", "PID-2[*].1"])
def test_all_of_nothing_is_an_empty_list(path: str) -> None:
    assert compile_path(path).get(parse(ADT.encode())) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("OBX-1", "1"),
        ("OBX[3]-5", "140~141"),
        ("OBX[3]-5[*]", ["140", "141"]),
        ("OBX[*]-5.1", ["5.1", "140"]),
        ("OBX[*]-5[*].1", ["5.1", "140", "141"]),
        ('OBX[OBX-2 == "ED"]-5.5', "QUJD"),
        ('OBX[OBX-2 == "NM" and OBX-11 != "F"]-3.1', "NA"),
        ('OBX[ OBX-3.2 == "Sodium" ]-5[2]', "141"),
        ("OBX[*]-3.1", ["GLU", "PDF", "NA"]),
        ("OBR[2]-4.2", "Sodium"),
    ],
)
def test_segments_are_chosen_by_number_condition_or_all(path: str, value: Any) -> None:
    assert compile_path(path).get(parse(ORU.encode())) == value


def test_a_segment_name_gives_all_segments_and_each_answers_its_own_paths() -> None:
    root = parse(ORU.encode())
    found = compile_path("OBX").get(root)
    code = compile_path("OBX-3.1")
    assert [code.get(segment) for segment in found] == ["GLU", "PDF", "NA"]
    assert compile_path("OBX[*]").get(root) == found
    assert compile_path("OBX[2]").get(root) is found[1]
    assert compile_path("PID-3.1").get(found[0]) == ""
    assert compile_path("OBX[2]-3.1").get(found[0]) == ""
    assert isinstance(found[0], Segment)


def test_a_repetition_answers_paths_of_components() -> None:
    first, second = compile_path("PID-3[*]").get(parse(ADT.encode()))
    assert (compile_path(".1").get(first), compile_path("4.2").get(first)) == ("1234567", "2.16.2")
    assert (compile_path(".5").get(second), compile_path(".1").get("plain")) == ("JHN", "plain")
    assert (compile_path(".2").get("plain"), compile_path(".1").get(None)) == ("", None)


def test_what_has_parts_knows_its_delimiters() -> None:
    value = compile_path("MSH-9").get(parse(ADT.encode()))
    assert isinstance(value, Composite)
    assert value == "ADT^A01^ADT_A01"


@pytest.mark.parametrize(
    "text",
    [
        "PID",
        "PID-3",
        "PID-3.1",
        "PID-3[2].4.2",
        'PID-3[.5 == "J]N"].1',
        "OBX[3]-5",
        'OBX[OBX-2 == "ED"]-5.5',
        "ZPV-3",
        "OBX[*]-5",
        "PID.3.1",
        "PID-3-4",
        ".4.1",
        "4.1",
    ],
)
def test_a_path_ends_where_it_ends(text: str) -> None:
    for after in ("", " == 1", ")", " - 1", ", x", "}", "-", "."):
        assert path_extent(f"msg.{text}{after}", 4) == 4 + len(text)


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("", 0),
        ("pid-3", 0),
        ("PIDX-3", 0),
        ("PI", 0),
        ("PID.3.1", 3),
        ("PID-3-4", 5),
        ("PID-0", 0),
        ("PID-3[0]", 0),
        ("PID-3.0", 0),
        ("PID-3[", 5),
        ("PID-3[.5]", 6),
        ("PID-3[.5 == JHN]", 12),
        ("OBX[.5 == 'x']-5", 4),
        ("PID-3.1.2.3", 9),
        ("OBX[NTE-2 == 'x']-5", 4),
        ('PID-3[.5 == "a" or .4 == "b"]', 15),
        ("[*]", 0),
        (".0", 0),
        ('PID-3[.5 == "\\q"]', 12),
    ],
)
def test_what_is_no_path_is_refused_with_its_offset(text: str, offset: int) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_path(text)
    assert caught.value.offset == offset
    assert caught.value.help or "escape" in str(caught.value)


@pytest.mark.parametrize("text", ['PID-3[.5 == "JHN"].4.1', "OBX[*]-5[2]", "OBX[3]", "PID", ".4.1"])
def test_a_path_prints_as_it_is_written(text: str) -> None:
    assert str(compile_path(text)) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('msg.PV1-2 in ["I", "E"] or msg.MSH-9.2 == "A40"', True),
        ('msg.PID-3[.5 == "JHN"].1 == "TREM12345678"', True),
        ("msg.PV1-4 == None and msg.NK1 == '' and not msg.NK1", True),
        ("first(msg.PV1-19.1, msg.PID-3.1)", "1234567"),
        ("msg.MSH-9", "ADT^A01^ADT_A01"),
    ],
)
def test_expressions_read_messages(text: str, value: Any) -> None:
    root = parse(ADT.encode())
    scope = Scope(root, root, {}, 0)
    assert compile_expression(text, CODEC).evaluate(scope) == value


def test_a_template_keeps_the_parts_of_what_it_copies() -> None:
    root = parse(ADT.encode())
    scope = Scope(root, root, {}, 0)
    compile_path("PV1-19").set(root, compile_template("{msg.PID-3[2]}", CODEC).evaluate(scope))
    compile_path("PV1-20").set(root, compile_template("x{msg.PID-3[2]}", CODEC).evaluate(scope))
    assert compile_path("PV1-19.5").get(root) == "JHN"
    assert compile_path("PV1-20").get(root) == "xTREM12345678^^^RAMQ^JHN"
    assert not isinstance(compile_path("PV1-20").get(root), Composite)
