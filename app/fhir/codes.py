"""The codes that FHIR answers carry. A concept that isn't here is told in text alone.

LOINC: HL7's value sets "US Core Clinical Test Codes" (hl7.org/fhir/us/core/ValueSet-us-core-clinical-test-codes.html),
"Results Radiology Observation - IPS" (hl7.org/fhir/uv/ips/ValueSet-results-radiology-observations-uv-ips.html) and the
profile of the heart rate, which fixes 8867-4 (hl7.org/fhir/R4B/heartrate.html). SNOMED CT, as HL7's guides have them:
pneumonia in an example of "C-CDA on FHIR" (hl7.org/fhir/us/ccda/Condition-CF-problem.html), malignant melanoma in the
value set "Vaccine Target Diseases - SNOMED CT IPS Free Set" of the International Patient Summary 1.1
(hl7.org/fhir/uv/ips/STU1.1/ValueSet-target-diseases-snomed-ct-ips-free-set.html), myocardial infarction in that of
"CREDS" (hl7.org/fhir/us/registry-protocols/ValueSet-PriorMyocardialInfarction.html). Basal cell carcinoma was found in
none of them, so it has no code here. Categories: HL7 v2 table 0074 (terminology.hl7.org/CodeSystem/v2-0074).
"""

from collections.abc import Mapping
from typing import Any

LOINC, SNOMED, UCUM = "http://loinc.org", "http://snomed.info/sct", "http://unitsofmeasure.org"
_SECTIONS = "http://terminology.hl7.org/CodeSystem/v2-0074"

Concept = dict[str, Any]


def concept(text: str, system: str = "", code: str = "", display: str = "") -> Concept:
    """A CodeableConcept."""
    coding = {"coding": [{"system": system, "code": code, "display": display or text}]} if code else {}
    return {**coding, "text": text}


CATEGORIES: Mapping[str, Concept] = {
    "xray": concept("Radiology", _SECTIONS, "RAD"),
    "breast": concept("Radiology", _SECTIONS, "RAD"),
    **dict.fromkeys(
        ("heart_image", "heart_record"),
        concept("Electrocardiography", _SECTIONS, "EC", "Electrocardiac (e.g., EKG, EEC, Holter)"),
    ),
}
"""Of reports, by the name of the diagnosis."""
STUDIES: Mapping[str, Concept] = {
    "breast": concept("Breast ultrasound", LOINC, "24601-7", "US Breast"),
    **dict.fromkeys(
        ("heart_image", "heart_record"), concept("12-lead electrocardiogram", LOINC, "34534-8", "12 lead EKG panel")
    ),
}
"""What was examined; of others the title of the diagnosis."""
FINDINGS: Mapping[tuple[str, str], tuple[str, str]] = {
    ("xray", "pneumonia"): ("233604007", "Pneumonia"),
    ("skin", "mel"): ("372244006", "Malignant melanoma"),
    ("heart_image", "MI"): ("22298006", "Myocardial infarction"),
    ("heart_record", "MI"): ("22298006", "Myocardial infarction"),
}
"""In SNOMED CT, by diagnosis and class; the other classes are not one disorder of that terminology and nothing else, or
no page of HL7 was found that names the code."""
MEASUREMENTS: Mapping[str, tuple[Concept, str]] = {
    "rate": (concept("Heart rate", LOINC, "8867-4"), "/min"),
    "pr": (concept("P-R interval", LOINC, "8625-6"), "ms"),
    "qrs": (concept("QRS duration", LOINC, "8633-0"), "ms"),
    "qt": (concept("Q-T interval", LOINC, "8634-8"), "ms"),
    "qtc_fridericia": (concept("Q-T interval corrected (Fridericia)", LOINC, "8636-3", "Q-T interval corrected"), "ms"),
    "axis": (concept("QRS axis", LOINC, "8632-2"), "deg"),
}
"""Of an ECG, with the UCUM code of the unit."""
