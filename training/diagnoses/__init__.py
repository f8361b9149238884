"""One file a model: from data to bundle. `TRAININGS` is the list of them; a new one is a file here and a line there."""

from training.diagnoses import breast, disease, heart_image, heart_record, heart_risk, pictures, skin, xray
from training.diagnoses.training import Job, Option, Training

__all__ = ["TRAININGS", "Job", "Option", "Training", "training_called"]

TRAININGS: tuple[Training, ...] = (
    skin.TRAINING,
    xray.TRAINING,
    breast.TRAINING,
    heart_record.TRAINING,
    heart_image.TRAINING,
    heart_risk.TRAINING,
    disease.TRAINING,
    pictures.TRAINING,
)


def training_called(name: str) -> Training:
    """The training of that name or command. Raises `KeyError`."""
    return {known: training for training in TRAININGS for known in (training.name, training.command)}[name]
