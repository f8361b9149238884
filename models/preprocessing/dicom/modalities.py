"""What the Modality of a DICOM object (0008,0060) says of its picture: PS3.3, C.7.3.1.1.1."""

from collections.abc import Mapping
from dataclasses import dataclass

_CAPTURES = frozenset({"OT", "SC"})
"""Other, and secondary captures under the name some write: of anything."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The modalities that an endpoint reads, and what its pictures are called."""

    what: str
    modalities: frozenset[str]

    def takes(self, modality: str) -> bool:
        """Whether a picture of that modality may be one of these; one that doesn't say may."""
        return not modality or not self.modalities or modality in self.modalities


ANY_PICTURE = Wanted("a picture", frozenset())
SKIN_PICTURE = Wanted("a dermoscopy picture of the skin", _CAPTURES | {"DMS", "GM", "XC"})
CHEST_FILM = Wanted("a chest X-ray", _CAPTURES | {"CR", "DX", "RG"})
BREAST_ULTRASOUND = Wanted("a breast ultrasound", _CAPTURES | {"US"})
ECG_SHEET = Wanted("the picture of an ECG sheet", _CAPTURES | {"ECG", "HC", "DOC", "XC", "EPS", "HD"})

NAMES: Mapping[str, str] = {
    "BI": "a biomagnetic image",
    "CR": "a computed radiograph",
    "CT": "a computed tomogram",
    "DMS": "a dermoscopy picture",
    "DOC": "a document",
    "DX": "a digital radiograph",
    "ECG": "an electrocardiogram",
    "ES": "an endoscopy picture",
    "GM": "a general microscopy picture",
    "IO": "an intra-oral radiograph",
    "MG": "a mammogram",
    "MR": "a magnetic resonance image",
    "NM": "a nuclear medicine image",
    "OP": "a photograph of the eye",
    "OPT": "an optical tomogram of the eye",
    "PT": "a positron emission tomogram",
    "PX": "a panoramic X-ray",
    "RF": "a fluoroscopy",
    "RG": "a radiograph",
    "RTIMAGE": "a radiotherapy image",
    "SEG": "a segmentation",
    "SM": "a slide microscopy picture",
    "US": "an ultrasound picture",
    "XA": "an X-ray angiogram",
    "XC": "a photograph",
}
