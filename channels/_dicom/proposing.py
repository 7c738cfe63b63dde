"""What a caller proposes to a peer and what the peer makes of it: A-ASSOCIATE-RQ out, A-ASSOCIATE-AC or -RJ in.

Source: DICOM PS3.8 9.3.2 (request), 9.3.3 (acceptance), 9.3.4 (rejection), PS3.7 D.3.3.4 (role selection).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydicom.uid import UID
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
)
from pynetdicom.presentation import PresentationContext

from channels._dicom.guard import BrokenPdu
from channels._dicom.receiving import CLASS_UID, VERSION_NAME
from engine.errors import PasserelleError, Permanent, Transient

CONTEXTS_MAX: Final = 128
"""Presentation contexts of one association: their ids are the odd numbers of a byte."""

_APPLICATION: Final = "1.2.840.10008.3.1.1.1"
_ACCEPTED: Final = 0
_WHY_NOT: Final = {
    1: "the partner refuses it",
    2: "the partner gives no reason",
    3: "the partner does not take this class",
    4: "the partner takes this class, but not in this transfer syntax",
}
_REJECTIONS: Final = {
    (1, 2): "it does not know the application context",
    (1, 3): "it does not know our AE title",
    (1, 7): "it is not the AE title that was called",
    (2, 2): "it does not support our version of the protocol",
    (3, 1): "it is congested",
    (3, 2): "it has as many associations as it takes",
}


@dataclass(frozen=True, slots=True)
class Proposal:
    """One presentation context: a class, and the transfer syntaxes in which it may be spoken of.

    `scp` says that this side would be the provider of the class, though it calls: storage, where a C-GET brings the
    instances, and storage commitment, where it is reported on.
    """

    abstract: str
    syntaxes: tuple[str, ...]
    scp: bool = False


@dataclass(frozen=True, slots=True)
class Accepted:
    """A presentation context that was agreed on."""

    abstract: str
    syntax: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """What an association was accepted with: contexts by id, why others were not, and the longest PDU to send.

    `longest` is in bytes, without the PDU's own head; 0 is no limit.
    """

    accepted: Mapping[int, Accepted]
    refused: Mapping[tuple[str, str], str]
    longest: int


def request_pdu(calling: str, called: str, proposals: Sequence[Proposal], *, largest_pdu: int) -> bytes:
    """Return an A-ASSOCIATE-RQ; the contexts are numbered 1, 3, 5 in the order of the proposals."""
    if not 0 < len(proposals) <= CONTEXTS_MAX:
        raise ValueError(f"an association proposes 1 to {CONTEXTS_MAX} contexts, not {len(proposals)}")
    primitive = A_ASSOCIATE()
    primitive.application_context_name = UID(_APPLICATION)
    primitive.calling_ae_title, primitive.called_ae_title = calling, called
    primitive.presentation_context_definition_list = [
        _context(2 * index + 1, proposal) for index, proposal in enumerate(proposals)
    ]
    length = MaximumLengthNotification()
    length.maximum_length_received = largest_pdu
    implementation = ImplementationClassUIDNotification()
    implementation.implementation_class_uid = UID(CLASS_UID)
    version = ImplementationVersionNameNotification()
    version.implementation_version_name = VERSION_NAME
    primitive.user_information = [length, implementation, version, *_roles(proposals)]
    pdu = A_ASSOCIATE_RQ()
    pdu.from_primitive(primitive)
    return pdu.encode()


def agreement_of(pdu: bytes, proposals: Sequence[Proposal]) -> Agreement:
    """Return what an A-ASSOCIATE-AC says; BrokenPdu where it answers something else than was asked."""
    answer = A_ASSOCIATE_AC()
    try:
        answer.decode(pdu)
        primitive = answer.to_primitive()
        results = primitive.presentation_context_definition_results_list
        longest = primitive.maximum_length_received
    except Exception as error:  # what pynetdicom raises here is not said anywhere
        raise BrokenPdu("an acceptance of an association that cannot be read") from error
    accepted: dict[int, Accepted] = {}
    refused: dict[tuple[str, str], str] = {}
    answered = {context.context_id: context for context in results}
    for index, proposal in enumerate(proposals):
        number = 2 * index + 1
        context = answered.get(number)
        result = 2 if context is None or context.result is None else context.result
        if context is not None and result == _ACCEPTED:
            syntax = next(map(str, context.transfer_syntax), "")
            if syntax not in proposal.syntaxes:
                raise BrokenPdu("an acceptance of a transfer syntax that was not proposed")
            accepted[number] = Accepted(proposal.abstract, syntax)
        else:
            why = _WHY_NOT.get(result, _WHY_NOT[2])
            refused.update({(proposal.abstract, syntax): why for syntax in proposal.syntaxes})
    return Agreement(accepted, refused, longest or 0)


def rejection_of(content: bytes | bytearray, calling: str, called: str) -> PasserelleError:
    """Return what an A-ASSOCIATE-RJ means; `content` is what follows the PDU's head, then who called whom."""
    _, result, source, reason = content
    why = _REJECTIONS.get((source, reason), "it gives no reason")
    code, who = f"rejected_{source}_{reason}", f"{calling} called {called}"
    if result == 2:
        return Transient(f"the partner takes no association now, {who}: {why}", code=code)
    return Permanent(f"the partner refuses the association, {who}: {why}", code=code)


def _context(number: int, proposal: Proposal) -> PresentationContext:
    context = PresentationContext()
    context.context_id = number
    context.abstract_syntax = UID(proposal.abstract)
    context.transfer_syntax = [UID(syntax) for syntax in proposal.syntaxes]
    return context


def _roles(proposals: Sequence[Proposal]) -> list[SCP_SCU_RoleSelectionNegotiation]:
    roles = []
    for abstract in dict.fromkeys(proposal.abstract for proposal in proposals if proposal.scp):
        role = SCP_SCU_RoleSelectionNegotiation()
        role.sop_class_uid = UID(abstract)
        role.scu_role, role.scp_role = False, True
        roles.append(role)
    return roles
