"""Whether an input is like what the model learned from: what `reliability` in an answer says."""

from models.preprocessing.ecg_record import EcgWindows
from models.preprocessing.ecg_sheet import ReadSheet
from models.preprocessing.inputs import PreparedForm
from models.preprocessing.picture import ReadPicture
from models.serving.registry import Prediction
from schemas.common import Reliability

ACCEPTED = Reliability(accepted=True)


def judge_picture(prediction: Prediction, picture: ReadPicture) -> Reliability:
    """Accept a picture that arrived whole and whose novelty is at most the bundle's threshold; without a threshold any
    novelty."""
    if picture.damage is not None:
        return Reliability(accepted=False, reason=f"{picture.damage} Don't rely on the answer.")
    return _by_novelty(prediction, "picture")


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
    return _by_novelty(prediction, "record")


def judge_form(prediction: Prediction, form: PreparedForm) -> Reliability:
    """Accept a form whose values lie within what the model learned from."""
    outside = prediction.metadata.tabular_preprocessing.outside(form.values)
    if not outside:
        return ACCEPTED
    named = ", ".join(f"{feature.name} ({feature.low:g} to {feature.high:g})" for feature in outside)
    return Reliability(
        accepted=False, reason=f"Outside what the model learned from: {named}. Don't rely on the answer."
    )


def _by_novelty(prediction: Prediction, subject: str) -> Reliability:
    spec, novelty = prediction.metadata.novelty, prediction.novelty
    if spec is None or novelty is None or novelty <= spec.threshold:
        return ACCEPTED
    return Reliability(
        accepted=False,
        reason=f"The {subject} is unlike those the model learned from (novelty {novelty:.3g}, accepted up to "
        f"{spec.threshold:.3g}). Check that it is of the kind this endpoint reads; don't rely on the answer.",
    )
