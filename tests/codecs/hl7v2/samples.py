"""Synthetic messages that several tests share; nobody in them exists."""

from __future__ import annotations

from engine.model import Body, Message

ADT = (
    "MSH|^~\\&|ADT1|HSJ|LAB|CHUQ^2.16.1^ISO|20260114093012-0500||ADT^A01^ADT_A01|MSG00001|P|2.5.1|||AL|NE\r"
    "EVN|A01|20260114093000|||1234^Roy^Ana\r"
    "PID|1||1234567^^^HSJ&2.16.2&ISO^MR~TREM12345678^^^RAMQ^JHN||Tremblay&de&Tremblay^Jean^Paul||19700131|M\r"
    'PV1|1|I|3W^312^1^HSJ|""|""^x\r'
    "ZPV|a|b\\T\\c|\r"
)
ORU = (
    "MSH|^~\\&|LAB|CHUQ|EMR|HSJ|20260114||ORU^R01^ORU_R01|R1|P|2.5\r"
    "PID|1||77^^^HSJ^MR\rORC|RE|P1\rOBR|1|P1|F1|GLU^Glucose\rNTE|1||note one\r"
    "OBX|1|NM|GLU^Glucose||5.1|mmol/L|||||F\rOBX|2|ED|PDF||^application^pdf^Base64^QUJD||||||F\r"
    "ORC|RE|P2\rOBR|2|P2|F2|NA^Sodium\rOBX|1|NM|NA^Sodium||140~141|mmol/L|||||P\r"
)


def message(data: bytes, *, charset: str = "", content_type: str = "") -> Message:
    headers = {"charset": charset} if charset else {}
    return Message("0" * 20, "door", Body.of(data), "hl7v2", 0, content_type=content_type, headers=headers)
