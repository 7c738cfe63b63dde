"""A transaction UID says which message it is about, and only ours say so."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels._dicom.commands import is_uid
from channels.dicom.commitment import transactions
from channels.dicom.commitment.transactions import is_of_several, message_of, new_transaction, transaction_of
from engine.clock import SystemClock
from engine.ids import ALPHABET, LENGTH, IdSource

ids = st.text(ALPHABET, min_size=20, max_size=20)


@given(ids, st.integers(1, 2**22 - 1))
def test_a_transaction_gives_its_message_back(message_id: str, number: int) -> None:
    transaction = transaction_of(message_id, number)
    assert message_of(transaction) == message_id
    assert is_uid(transaction)
    uuid = UUID(int=int(transaction.removeprefix("2.25.")))
    assert (uuid.version, uuid.variant) == (8, "specified in RFC 4122")


def test_an_id_of_the_engine_is_understood() -> None:
    message_id = IdSource(SystemClock(), node=1023).next()
    assert message_of(transaction_of(message_id, 1)) == message_id
    assert (transactions.ALPHABET, transactions.LENGTH) == (ALPHABET, LENGTH)


@given(ids, st.integers(1, 2**22 - 2))
def test_each_request_has_its_own(message_id: str, number: int) -> None:
    assert transaction_of(message_id, number) != transaction_of(message_id, number + 1)


@pytest.mark.parametrize(
    "foreign",
    [
        "",
        "2.25.",
        "2.25.x",
        "2.25.1",
        "1.2.3",
        "2.25." + "9" * 39,
        "2.25.340282366920938463463374607431768211455",
    ],
)
def test_a_transaction_of_somebody_else_is_about_nothing(foreign: str) -> None:
    assert message_of(foreign) == ""


def test_an_id_of_another_form_has_none() -> None:
    with pytest.raises(ValueError, match="another form"):
        transaction_of("short", 1)


def test_a_transaction_says_whether_it_is_about_several() -> None:
    message_id = "01JD0000000000000001"
    one, several = new_transaction([message_id]), new_transaction([message_id, "01JD0000000000000002"])
    assert (is_of_several(one), is_of_several(several)) == (False, True)
    assert message_of(one) == message_of(several) == message_id
