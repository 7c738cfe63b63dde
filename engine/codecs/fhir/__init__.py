"""FHIR R4 as plain JSON: what the standard defines of each element, without a class for any resource."""

from __future__ import annotations

from engine.codecs.fhir.check import structural_faults
from engine.codecs.fhir.codec import CODEC, FhirCodec, is_resource
from engine.codecs.fhir.definitions import Binding, Element, children, element, is_primitive, resource_types
from engine.codecs.fhir.paths import FhirPath, compile_path
from engine.codecs.fhir.references import Resources, resolve

__all__ = [
    "CODEC",
    "Binding",
    "Element",
    "FhirCodec",
    "FhirPath",
    "Resources",
    "children",
    "compile_path",
    "element",
    "is_primitive",
    "is_resource",
    "resolve",
    "resource_types",
    "structural_faults",
]
