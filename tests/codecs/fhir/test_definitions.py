"""What R4 says of an element is found by its path, through types, choices, references to content and extensions."""

from __future__ import annotations

import pytest

from engine.codecs.fhir import children, element, is_primitive, resource_types


def test_all_resources_of_r4_are_there() -> None:
    assert len(resource_types()) == 146
    assert {"Patient", "Bundle", "Binary", "Parameters", "MessageHeader"} <= resource_types()
    assert not {"DomainResource", "Resource", "HumanName"} & resource_types()


def test_an_element_says_bounds_types_and_targets() -> None:
    found = element("Appointment.participant.actor")
    assert found is not None
    assert (found.min, found.max, found.types, found.repeats) == (0, 1, ("Reference",), False)
    assert found.targets[:3] == ("Patient", "Practitioner", "PractitionerRole")


def test_a_required_binding_has_its_codes() -> None:
    found = element("Appointment.status")
    assert found is not None and found.binding is not None and found.binding.codes is not None
    assert found.min == 1
    assert found.binding.strength == "required"
    assert {"proposed", "booked", "noshow"} <= found.binding.codes
    assert ("http://hl7.org/fhir/appointmentstatus", "booked") in found.binding.coded


@pytest.mark.parametrize("path", ["Appointment.appointmentType", "Money.currency"])
def test_a_binding_that_is_not_required_or_lists_no_codes_leaves_them_open(path: str) -> None:
    found = element(path)
    assert found is not None and found.binding is not None
    assert found.binding.codes is None


@pytest.mark.parametrize(
    ("path", "types", "most"),
    [
        ("Patient.id", ("id",), 1),
        ("Patient.name", ("HumanName",), None),
        ("Patient.name.given", ("string",), None),
        ("Patient.name._given", ("Element",), None),
        ("Patient._birthDate.extension.valueDateTime", ("dateTime",), 1),
        ("Patient.contact", ("BackboneElement",), None),
        ("Patient.contact.name.family", ("string",), 1),
        ("Patient.contact.modifierExtension.url", ("uri",), 1),
        ("Patient.extension.extension.valueCodeableConcept.coding.code", ("code",), 1),
        ("Patient.deceasedDateTime", ("dateTime",), 1),
        ("Patient._deceasedDateTime", ("Element",), 1),
        ("Patient.text.div", ("xhtml",), 1),
        ("Patient.contained", ("Resource",), None),
        ("Observation.valueQuantity.comparator", ("code",), 1),
        ("Observation.referenceRange.low.value", ("decimal",), 1),
        ("Observation.component.referenceRange.text", ("string",), 1),
        ("Questionnaire.item.item.item.linkId", ("string",), 1),
        ("Bundle.entry.link.url", ("uri",), 1),
        ("Bundle.entry.resource.id", ("id",), 1),
        ("MedicationRequest.dosageInstruction.timing.repeat.when", ("code",), None),
        ("HumanName.family", ("string",), 1),
        ("Age.code", ("code",), 1),
    ],
)
def test_a_path_is_followed_to_its_type(path: str, types: tuple[str, ...], most: int | None) -> None:
    found = element(path)
    assert found is not None
    assert (found.types, found.max) == (types, most)


@pytest.mark.parametrize(
    "path",
    [
        "Patiant",
        "Patient.nmae",
        "Patient.name.familly",
        "Patient.birthDate.year",
        "Patient._name",
        "Patient.deceased",
        "Patient.deceasedString",
        "Patient.resourceType",
        "Patient.value[x]",
        "Bundle.entry.resource.name",
        "Observation.referenceRange.low.comparator",
        "Dosage.doseAndRate.doseQuantity.comparator",
        "Observation.value[x].unit",
        "",
        "Patient.",
    ],
)
def test_what_r4_does_not_have_is_none(path: str) -> None:
    assert element(path) is None


def test_a_choice_has_all_types_and_each_of_its_names_one() -> None:
    choice, chosen = element("MedicationRequest.reported[x]"), element("MedicationRequest.reportedReference")
    assert choice is not None and chosen is not None
    assert choice.types == ("boolean", "Reference")
    assert (chosen.types, chosen.choice, chosen.content) == (("Reference",), "reported[x]", "Reference")
    assert chosen.targets == choice.targets != ()


def test_children_are_named_as_json_names_them() -> None:
    assert {"valueQuantity", "valueString", "status", "id", "text"} <= set(children("Observation"))
    assert "value[x]" not in children("Observation")
    assert set(children("Patient.communication")) == {
        "id",
        "extension",
        "modifierExtension",
        "language",
        "preferred",
    }
    assert children("string") == children("Nobody") == children("Patient.nobody") == {}


def test_primitive_types_are_told_from_others() -> None:
    assert is_primitive("positiveInt") and is_primitive("xhtml")
    assert not is_primitive("Quantity") and not is_primitive("nobody")


def test_every_content_and_target_that_is_named_is_defined() -> None:
    seen: set[str] = set()
    waiting = sorted(resource_types())
    while waiting:
        content = waiting.pop()
        seen.add(content)
        for found in children(content).values():
            assert all(target in resource_types() for target in found.targets), found
            assert is_primitive(found.types[0]) == (not found.content), found
            assert found.content in seen or not found.content or children(found.content), found
            waiting += {found.content} - seen - {""}
    assert len(seen) > 600
