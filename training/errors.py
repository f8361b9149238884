"""What can go wrong with a training run through no fault of the code; each message says what to do."""


class TrainingError(RuntimeError):
    """A run that can't go on."""


class DatasetError(TrainingError):
    """A data set that is missing, incomplete or not in its published layout."""


class BackboneError(TrainingError):
    """Pretrained weights that are missing or not what they should be."""


class ExportError(TrainingError):
    """The exported graph doesn't do what the trained network does."""
