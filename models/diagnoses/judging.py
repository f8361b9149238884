"""Whether an input is like what the model learned from: what `reliability` in an answer says."""

import numpy as np
from numpy.typing import NDArray

from models.preprocessing.ecg_record import EcgWindows
from models.preprocessing.ecg_sheet import ReadSheet
from models.preprocessing.inputs import PreparedForm
from models.preprocessing.picture import ReadPicture, UInt8Array
from models.serving.bundle import COMPOSITION_EDGE
from models.serving.registry import Prediction
from schemas.common import Reliability

ACCEPTED = Reliability(accepted=True)

_DOUBLED_BELOW, _EVEN = 0.4, 1e-6


def judge_picture(
    prediction: Prediction, picture: ReadPicture, wanted: str = "one of the kind that this endpoint reads"
) -> Reliability:
    """Accept a picture that arrived whole and whose novelty is at most the bundle's threshold; without a threshold any
    novelty. `wanted` says what should be sent instead."""
    if picture.damage is not None:
        return Reliability(accepted=False, reason=f"{picture.damage} Don't rely on the answer.")
    return _by_novelty(prediction, "picture", wanted)


def judge_film(prediction: Prediction, picture: ReadPicture) -> Reliability:
    """As a picture; a frontal film also has lungs, heart and borders where the films of the bundle have them, if it
    says where. Greys that are turned round, and two films beside each other, are told apart."""
    reliability = judge_picture(prediction, picture, "one frontal chest X-ray, bones bright, as the machine stores it")
    composition = prediction.metadata.novelty.composition if prediction.metadata.novelty else None
    if composition is None or not reliability.accepted:
        return reliability
    greys = coarse(picture.tensors[0])
    alike = correlation(greys, np.reshape(composition.greys, greys.shape))
    left, right = np.split(greys, 2, axis=1)
    doubled = correlation(left, right) > correlation(left, right[:, ::-1])
    if alike <= -composition.least:
        reason = "The greys of this film are turned round: bones are dark. Send it with bones bright"
    elif doubled and alike < _DOUBLED_BELOW:
        reason = "This looks like several pictures in one. Send one frontal chest X-ray"
    elif alike < composition.least:
        reason = "This is not composed like a frontal chest X-ray, upright and whole. Send one"
    else:
        return reliability
    return Reliability(accepted=False, reason=f"{reason}; don't rely on the answer.")


def coarse(tensor: UInt8Array) -> NDArray[np.float32]:
    """The mean grey of each of 16 x 16 parts of a tensor (size, size, 3)."""
    edge = tensor.shape[0] // COMPOSITION_EDGE
    whole = tensor[: edge * COMPOSITION_EDGE, : edge * COMPOSITION_EDGE]
    parts = whole.reshape(COMPOSITION_EDGE, edge, COMPOSITION_EDGE, edge, 3)
    return np.asarray(parts.mean(axis=(1, 3, 4), dtype=np.float32))


def correlation(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Pearson's correlation of two arrays of the same shape, -1 to 1; 0 where one of them is even."""
    first, second = one - one.mean(), other - other.mean()
    size = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(np.sum(first * second)) / size if size > _EVEN else 0.0


def judge_sheet(_: Prediction, sheet: ReadSheet) -> Reliability:
    """Accept a sheet whose traces were read and fit together."""
    if sheet.fault is None:
        return ACCEPTED
    return Reliability(accepted=False, reason=f"{sheet.fault} Don't rely on the answer.")


def judge_record(prediction: Prediction, windows: EcgWindows, fault: str | None) -> Reliability:
    """As a picture; a record with leads that show nothing is not accepted either, however usual the rest looks, nor one
    with a `fault` that was measured."""
    if windows.flat_leads:
        leads = ", ".join(windows.flat_leads)
        return Reliability(
            accepted=False,
            reason=f"No signal in {leads}: check the electrodes and record the ECG again; don't rely on the answer.",
        )
    if fault is not None:
        return Reliability(accepted=False, reason=f"{fault} Don't rely on the answer.")
    return _by_novelty(prediction, "record", "a resting ECG of twelve leads")


def judge_form(prediction: Prediction, form: PreparedForm) -> Reliability:
    """Accept a form whose values lie within what the model learned from."""
    outside = prediction.metadata.tabular_preprocessing.outside(form.values)
    if not outside:
        return ACCEPTED
    named = ", ".join(f"{feature.name} ({feature.low:g} to {feature.high:g})" for feature in outside)
    return Reliability(
        accepted=False, reason=f"Outside what the model learned from: {named}. Don't rely on the answer."
    )


def _by_novelty(prediction: Prediction, subject: str, wanted: str) -> Reliability:
    spec, novelty = prediction.metadata.novelty, prediction.novelty
    if spec is None or novelty is None or novelty <= spec.threshold:
        return ACCEPTED
    return Reliability(
        accepted=False,
        reason=f"The {subject} is unlike those the model learned from. Send {wanted}; don't rely on the answer.",
    )
