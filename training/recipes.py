"""How each picture model is trained: one `Recipe` a diagnosis, found by measurement (see the cards)."""

from dataclasses import dataclass

from models.preprocessing.image import ImagePreprocessing
from training.augmentation import CHEST_XRAY, DERMOSCOPY, Augmentation
from training.backbones import BackboneName
from training.losses import LossName


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training run, data aside.

    `first_stage` is the lowest EfficientNet stage that phase 2 trains (8 is the last convolution). Pictures are drawn
    so that a class's share goes with count^(1 - `balance`), and within each class the values of `stratum` stand in
    the ratio of `stratum_shares`, which breaks any tie between class and, say, sharpness. With `mixup`, each batch is
    blended with another by a weight from Beta(mixup, mixup) (Zhang et al. 2018, arXiv:1710.09412).
    """

    name: str
    classes: tuple[str, ...]
    preprocessing: ImagePreprocessing
    augmentation: Augmentation
    stratum: str
    stratum_shares: dict[str, float]
    backbone: BackboneName = "efficientnet_lite0"
    first_stage: int = 4
    steps: int = 3400
    warmup: int = 250
    batch_size: int = 32
    learning_rate: float = 6e-4
    weight_decay: float = 0.02
    dropout: float = 0.3
    balance: float = 0.75
    loss: LossName = "cross_entropy"
    smoothing: float = 0.05
    mixup: float = 0.0
    class_weighting: bool = False
    averaging: float = 0.998
    validate_every: int = 500
    patience: int = 6
    seed: int = 20260


SKIN = Recipe(
    name="skin",
    classes=("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc"),
    preprocessing=ImagePreprocessing(size=224, framing="middle_square"),
    augmentation=DERMOSCOPY,
    stratum="resolution",
    stratum_shares={"sharp": 0.6, "soft": 0.4},
    first_stage=3,
    steps=3500,
    balance=0.9,
    mixup=0.4,
    validate_every=250,
    patience=40,
)

XRAY = Recipe(
    name="xray",
    classes=("normal", "pneumonia"),
    preprocessing=ImagePreprocessing(size=224, framing="squash"),
    augmentation=CHEST_XRAY,
    stratum="set",
    stratum_shares={"kermany": 0.6, "nih": 0.4},
    steps=1400,
    validate_every=350,
    balance=1.0,
)
