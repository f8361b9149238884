"""An int8 network beside a bundle's own, where it loses no more than half a point on validation.

Weights and activations become 8-bit integers (QDQ, one scale a channel), calibrated on training pictures. On processors
without VNNI the products of two 8-bit numbers saturate in pairs, so weights keep to 7 bits: the same file must answer
alike everywhere (ONNX Runtime, "Quantize ONNX models", on `reduce_range`).
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from models.bundle import INT8_FILE, MODEL_FILE, Bundle, Quantised, file_sha256, write_bundle
from models.preprocessing.image import UInt8Array
from training.datasets.pictures import labels_of, load_tensors
from training.evaluate import predict
from training.metrics import balanced_accuracy, macro_auroc
from training.splits import Splits

log = logging.getLogger(__name__)

CALIBRATION_PICTURES = 256
ALLOWED_LOSS = 0.005
"""The most that balanced accuracy or macro AUROC may lose on validation."""
HEADING = "## int8"


def add_int8(bundle: Bundle, splits: Splits, cache: Path | None = None) -> Bundle:
    """Quantise a picture bundle, write what that loses into its card, and keep model.int8.onnx where it is allowed."""
    spec = bundle.metadata.image_preprocessing
    chosen = np.linspace(0, len(splits.train) - 1, min(CALIBRATION_PICTURES, len(splits.train)), dtype=int)
    typical = load_tensors([splits.train[index] for index in chosen], spec)
    reference, quantised = bundle.folder / MODEL_FILE, bundle.folder / INT8_FILE
    quantize(reference, quantised, typical)
    loss = precision_loss(
        reference, quantised, load_tensors(splits.validation, spec, cache), labels_of(splits.validation)
    )
    allowed = max(loss.values()) <= ALLOWED_LOSS
    size = quantised.stat().st_size
    found = Quantised(sha256=file_sha256(quantised), loss=loss) if allowed else None
    if not allowed:
        quantised.unlink()
    log.info("int8 against fp32 on validation: %s; %s", loss, "kept" if allowed else "not kept")
    card = f"{bundle.card.split(HEADING)[0].rstrip()}\n\n{_section(loss, size, allowed=allowed)}"
    metadata = bundle.metadata.model_copy(update={"int8": found})
    return write_bundle(bundle.folder, model=reference, card=card, metadata=metadata.model_dump(exclude={"sha256"}))


def quantize(source: Path, target: Path, pictures: UInt8Array) -> None:
    """Write an int8 copy of a network, calibrated on training pictures (n, size, size, 3)."""

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.batches = iter(np.array_split(pictures, max(1, len(pictures) // 8)))

        def get_next(self) -> dict[str, UInt8Array] | None:
            batch = next(self.batches, None)
            return None if batch is None else {"image": np.ascontiguousarray(batch)}

    with TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(target),
            Reader(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "Add", "Clip", "GlobalAveragePool"],
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )


def precision_loss(
    reference: Path, quantised: Path, pictures: UInt8Array, labels: NDArray[np.int64]
) -> dict[str, float]:
    """What int8 loses of balanced accuracy and macro AUROC (positive: worse than fp32), on the same pictures."""
    exact, rough = (predict(model, pictures)["probabilities"] for model in (reference, quantised))
    return {
        figure.__name__: round(figure(labels, exact) - figure(labels, rough), 4)
        for figure in (balanced_accuracy, macro_auroc)
    }


def _section(loss: dict[str, float], size: int, *, allowed: bool) -> str:
    rows: Sequence[str] = [f"| {name} | {value:+.4f} |" for name, value in loss.items()]
    verdict = "It is part of the bundle" if allowed else "So it is not part of the bundle, and fp32 is served"
    return "\n".join(
        [
            HEADING,
            "",
            (
                f"An int8 copy of the network ({size / 1e6:.1f} MB, 7-bit weights, so that it answers alike on every "
                f"processor) loses on validation; allowed are {ALLOWED_LOSS}. {verdict}."
            ),
            "",
            "| figure | loss |",
            "|---|---|",
            *rows,
            "",
        ]
    )
