"""What is agreed on: the sender's first syntax of every storage class, and nothing that would have to be opened."""

from __future__ import annotations

import pytest
from pydicom.uid import UID
from pynetdicom.presentation import PresentationContext, build_context

from channels._dicom.negotiation import VERIFICATION, is_storage, is_taken, supported

CT = "1.2.840.10008.5.1.4.1.1.2"
WORKLIST = "1.2.840.10008.5.1.4.31"
IMPLICIT, EXPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
DEFLATED, JPEG_2000 = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.90"


def syntaxes(found: list[PresentationContext]) -> dict[str, list[str]]:
    return {str(each.abstract_syntax): [str(uid) for uid in each.transfer_syntax] for each in found}


@pytest.mark.parametrize(
    ("uid", "is_one"),
    [
        (CT, True),
        ("1.2.840.10008.5.1.4.1.1.12345", True),  # to be defined
        ("1.2.840.10008.5.1.4.34.7", True),  # listed, elsewhere
        ("1.3.12.2.1107.5.9.1", True),  # a scanner's own
        (WORKLIST, False),
        (VERIFICATION, False),
        ("1.2.840.10008.5.1.4.1.2.2.1", False),  # a query of studies
    ],
)
def test_storage_classes_are_those_of_the_standard_and_private_ones(uid: str, is_one: bool) -> None:
    assert is_storage(uid) is is_one


@pytest.mark.parametrize(
    ("uid", "taken"),
    [
        (IMPLICIT, True),
        (BIG_ENDIAN, True),
        (JPEG_2000, True),
        (DEFLATED, False),
        ("1.2.840.10008.1.2.4.95", False),  # JPIP referenced, deflated
        ("1.2.840.10008.1.20", False),
        ("1.2.3", False),
    ],
)
def test_what_is_deflated_or_private_is_not_taken(uid: str, taken: bool) -> None:
    assert is_taken(uid) is taken


def test_syntaxes_stay_in_the_order_of_the_sender() -> None:
    proposed = [build_context(CT, [DEFLATED, JPEG_2000, EXPLICIT]), build_context(CT, [IMPLICIT, JPEG_2000])]
    assert syntaxes(supported(proposed)) == {CT: [JPEG_2000, EXPLICIT, IMPLICIT]}


def test_a_class_whose_syntaxes_are_not_taken_is_refused_for_its_syntax() -> None:
    assert syntaxes(supported([build_context(CT, [DEFLATED])])) == {CT: [IMPLICIT]}


def test_services_are_agreed_on_where_they_are_served_uncompressed_and_in_either_role() -> None:
    proposed = [build_context(WORKLIST, [JPEG_2000, EXPLICIT]), build_context(VERIFICATION, [IMPLICIT])]
    [echo] = supported(proposed)
    assert echo.abstract_syntax == VERIFICATION and not echo.scp_role
    worklist, _ = supported(proposed, {WORKLIST})
    assert (worklist.transfer_syntax, worklist.scu_role, worklist.scp_role) == ([UID(EXPLICIT)], True, True)


def test_a_context_without_a_class_is_passed_over() -> None:
    assert supported([PresentationContext()]) == []
