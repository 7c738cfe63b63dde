"""Character sets: the text is right where the bytes prove it, and the bytes are always the same."""

from __future__ import annotations

import pytest

from engine.codecs.hl7v2 import CODEC
from engine.codecs.hl7v2.charsets import codecs_of
from engine.codecs.hl7v2.paths import compile_path
from engine.codecs.hl7v2.reading import parse
from engine.codecs.hl7v2.writing import recode, write
from engine.errors import Rejected
from tests.codecs.hl7v2.samples import message

NAME = compile_path("PID-5.1")


def body(name: str, charset: str, codec: str) -> bytes:
    return f"MSH|^~\\&|A|B|C|D|2026||ADT^A08|1|P|2.5||||||{charset}\rPID|1||7||{name}^x\r".encode(codec)


@pytest.mark.parametrize(
    ("name", "declared", "codec"),
    [
        ("Éloïse", "8859/1", "latin-1"),
        ("Žofie", "8859/2", "iso8859-2"),
        ("Иванов", "8859/5", "iso8859-5"),
        ("כהן", "8859/8", "iso8859-8"),
        ("Œuvray €", "8859/15", "iso8859-15"),
        ("Éloïse 山田", "UNICODE UTF-8", "utf-8"),
        ("山田", "ISO IR87", "iso2022_jp"),
        ("山田", "~ISO IR87", "iso2022_jp"),
        ("ソ能", "ISO IR14", "shift_jis"),
        ("侞丂", "GB 18030-2000", "gb18030"),
        ("김", "KS X 1001", "euc_kr"),
        ("功許", "BIG-5", "big5"),
        ("Œuvray’s", "", "cp1252"),
        ("Éloïse", "", "latin-1"),
        ("Éloïse", "", "utf-8"),
    ],
)
def test_a_declared_or_evident_set_is_read(name: str, declared: str, codec: str) -> None:
    data = body(name, declared, codec)
    root = parse(data)
    assert NAME.get(root) == name
    compile_path("MSH-10").set(root, "2")
    assert write(root) == data.replace(b"A08|1|", b"A08|2|")


def test_a_set_that_is_declared_needs_no_remark() -> None:
    assert parse(body("Éloïse", "8859/1", "latin-1")).charset_trouble == ""


@pytest.mark.parametrize(
    ("name", "declared", "codec"),
    [
        ("Œuvray", "8859/1", "cp1252"),
        ("Éloïse", "8859/1", "utf-8"),
        ("Œuvray", "UNICODE UTF-8", "cp1252"),
        ("Éloïse", "ASCII", "utf-8"),
        ("Œuvray", "ISO IR 999", "cp1252"),
    ],
)
def test_a_set_that_lies_is_found_out_and_said(name: str, declared: str, codec: str) -> None:
    data = body(name, declared, codec)
    root = parse(data)
    assert NAME.get(root) == name
    assert "does not fit" in root.charset_trouble
    NAME.set(root, "È")
    assert write(root) == data.replace(name.encode(codec), "È".encode(codec))


def test_bytes_that_fit_nothing_are_kept_all_the_same() -> None:
    data = b"MSH|^~\\&|A\x81\rPID|\xff\x90\r"
    root = parse(data)
    compile_path("MSH-4").set(root, "x")
    assert root.codec == "latin-1"
    assert write(root) == b"MSH|^~\\&|A\x81|x\rPID|\xff\x90\r"


def test_the_listener_decides_first() -> None:
    data = body("Éloïse", "8859/5", "latin-1")
    document = CODEC.decode(message(data, charset="windows-1252"))
    assert NAME.get(document.root) == "Éloïse"
    typed = CODEC.decode(message(data, content_type='x-application/hl7-v2+er7; charset="iso-8859-1"'))
    assert NAME.get(typed.root) == "Éloïse"


def test_a_byte_order_mark_is_kept_and_means_utf_8() -> None:
    data = b"\xef\xbb\xbf" + body("Éloïse", "8859/2", "utf-8")
    root = parse(data)
    compile_path("MSH-10").set(root, "2")
    assert NAME.get(root) == "Éloïse"
    assert write(root) == data.replace(b"A08|1|", b"A08|2|")


@pytest.mark.parametrize(
    ("declared", "charset", "written"),
    [("8859/1", "", b"\xc9"), ("UNICODE UTF-8", "", b"\xc3\x89"), ("", "windows-1252", b"\xc9")],
)
def test_new_characters_are_written_in_the_declared_set(declared: str, charset: str, written: bytes) -> None:
    root = parse(body("x", declared, "ascii"), charset)
    NAME.set(root, "É")
    assert b"||" + written + b"^x" in write(root)


@pytest.mark.parametrize(("declared", "text"), [("", "É"), ("8859/1", "Œ"), ("8859/5", "山")])
def test_a_character_that_the_set_lacks_is_refused_with_its_path(declared: str, text: str) -> None:
    root = parse(body("x", declared, "ascii"))
    NAME.set(root, text)
    with pytest.raises(Rejected) as caught:
        write(root)
    assert caught.value.faults[0].path == "PID-5"
    assert text not in str(caught.value)


def test_transliteration_replaces_what_has_a_plainer_form() -> None:
    root = parse(body("x", "8859/1", "ascii"))
    NAME.set(root, "Œuvray’s Żółć")
    assert b"||OEuvray's Z\xf3lc^x" in write(root, "transliterate")


def test_transliteration_never_makes_a_delimiter() -> None:
    root = parse(body("x", "", "ascii"))
    NAME.set(root, "a｜b＾c")
    assert b"||a\\F\\b\\S\\c^x" in write(root, "transliterate")


def test_transliteration_never_makes_a_question_mark() -> None:
    root = parse(body("x", "8859/1", "ascii"))
    NAME.set(root, "山")
    with pytest.raises(Rejected):
        write(root, "transliterate")


def test_setting_msh_18_writes_the_message_in_that_set() -> None:
    root = parse(body("Éloïse", "8859/1", "latin-1"))
    compile_path("MSH-18").set(root, "UNICODE UTF-8")
    assert write(root) == body("Éloïse", "UNICODE UTF-8", "utf-8")
    compile_path("MSH-18").set(root, "KLINGON")
    with pytest.raises(Rejected, match="MSH-18"):
        write(root)


def test_a_message_is_recoded() -> None:
    data = body("Éloïse", "UNICODE UTF-8", "utf-8")
    assert recode(data, "8859/1") == body("Éloïse", "8859/1", "latin-1")
    assert recode(data, "ASCII", unmappable="transliterate") == body("Eloise", "ASCII", "ascii")
    with pytest.raises(Rejected):
        recode(data, "ASCII")


def test_names_of_both_standards_are_known() -> None:
    assert codecs_of("ISO-8859-15") == codecs_of("8859/15") == ("iso8859-15",)
    assert codecs_of("8859/12") == codecs_of("UNICODE UTF-16") == codecs_of("") == ()
