"""Bundle metadata as the diagnoses see it."""

from datetime import date

from models.preprocessing.picture import ImagePreprocessing
from models.serving.bundle import Metadata, OperatingPoint, TensorSpec


def make_metadata(name: str, classes: tuple[str, ...], **thresholds: float) -> Metadata:
    """Metadata of a made-up bundle with an operating point for each class named in `thresholds`."""
    return Metadata(
        name=name,
        version="1.0.0",
        created=date(2025, 1, 1),
        precision="fp32",
        task="multiclass",
        classes=classes,
        input=TensorSpec(name="image", dtype="uint8", shape=(None, 224, 224, 3)),
        outputs=(TensorSpec(name="probabilities", dtype="float", shape=(None, len(classes))),),
        preprocessing=ImagePreprocessing(size=224, framing="middle_square"),
        temperature=1.0,
        operating_points=tuple(
            OperatingPoint(code=code, threshold=threshold, rule="made up", sensitivity=0.9, specificity=0.8)
            for code, threshold in thresholds.items()
        ),
        licence="MIT",
        data=(),
        metrics={},
        sha256="0" * 64,
    )
