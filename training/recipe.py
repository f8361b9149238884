"""How a picture model is trained: everything that decides a run, data aside."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from models.preprocessing.picture import ImagePreprocessing

if TYPE_CHECKING:
    from training.networks.backbones import BackboneName

HISTORY = "history.csv"
"""What a run leaves of its validations, a row each."""

LossName = Literal["cross_entropy", "focal"]
AugmentationName = Literal[
    "dermoscopy", "dermoscopy_travelling", "chest_xray", "chest_xray_plain", "ultrasound", "photograph", "none"
]


@dataclass(frozen=True, kw_only=True)
class LoopRecipe:
    """What decides a run of the training loop, whatever is learned.

    The rate rises over `warmup` steps to `learning_rate` and falls along a cosine; `averaging` is the most that the
    averaged weights keep of themselves at a step. Training stops after `patience` validations, one each
    `validate_every` steps, without a better sum of scores. `steps` is rounded up to whole validations.
    """

    steps: int
    warmup: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    averaging: float
    validate_every: int
    patience: int = 99
    gradient_norm: float = 5.0
    seed: int = 20260

    @property
    def epochs(self) -> int:
        """How many validations there are."""
        return -(-self.steps // self.validate_every)

    @property
    def epoch_steps(self) -> int:
        """Steps between two validations."""
        return -(-self.steps // self.epochs)


@dataclass(frozen=True, kw_only=True)
class Recipe(LoopRecipe):
    """How a network learns from pictures.

    `first_stage` is the lowest EfficientNet stage that phase 2 trains (8 is the last convolution). Pictures are drawn
    so that a class's share goes with count^(1 - `balance`), and within each class the values of `stratum`, where there
    is one, stand in the ratio of `stratum_shares`, which breaks any tie between class and, say, sharpness. `mixup` and
    `cutmix` are the parameters of Keras' layers, 0 for none.

    `balance_by` names the stratum whose values stand for the classes in this; without it they are the labels. Where
    they are, the answers can take a share of it back, `balance_undone`.

    Where `sizes` are given, pictures grow during the run (Tan and Le 2021, arXiv:2104.00298): the run is divided among
    them by `size_shares`, or evenly. The last size must be that of `preprocessing`. With `restarts`, the rate starts
    anew at each size (Loshchilov and Hutter 2017, arXiv:1608.03983), from these shares of `learning_rate`. With
    `folds`, one network is trained without each of as many parts of the training groups, and the mean of their weights,
    or a network distilled from them, is the model.

    A network sees no more than what lies in its `window`, edges as in `Window`. Its head reads the channels' means and
    spreads of the stages `pooled` too, each made even, not only the means of the last maps; with `head_ridge` it begins
    as a logistic regression with that penalty on them, of pictures as they are and with changed files. Without
    `steps` it ends so: where few pictures tell what is looked for, training more loses what ImageNet taught.
    """

    name: str
    classes: tuple[str, ...]
    preprocessing: ImagePreprocessing
    augmentation: AugmentationName
    stratum: str | None = None
    stratum_shares: dict[str, float] = field(default_factory=dict)
    balance_by: str | None = None
    backbone: "BackboneName" = "efficientnet_lite0"
    pretrained: bool = True
    first_stage: int = 4
    head_epochs: int = 30
    window: tuple[float, ...] = ()
    pooled: tuple[str, ...] = ()
    head_ridge: float | None = None
    steps: int = 3400
    warmup: int = 250
    batch_size: int = 32
    learning_rate: float = 6e-4
    weight_decay: float = 0.02
    dropout: float = 0.3
    balance: float = 0.75
    balance_undone: float = 0.0
    loss: LossName = "cross_entropy"
    smoothing: float = 0.05
    mixup: float = 0.0
    cutmix: float = 0.0
    class_weighting: bool = False
    averaging: float = 0.998
    validate_every: int = 500
    patience: int = 6
    sizes: tuple[int, ...] = ()
    size_shares: tuple[float, ...] = ()
    restarts: tuple[float, ...] = ()
    folds: int = 0


@dataclass(frozen=True)
class ConvolutionRecipe:
    """Dilations in samples, thresholds a kernel, and the ridge of the two linear models; chosen by cross-validation.

    Without a `voltage_ridge` the shape alone is read. With `parts`, the samples where one ends and the next begins,
    shares are counted in each part by itself, with thresholds of its own, and half of the leads that a kernel reads are
    read upside down.
    """

    dilations: tuple[int, ...] = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48)
    thresholds: int = 9
    shape_ridge: float = 1.0
    voltage_ridge: float | None = None
    parts: tuple[int, ...] = ()
    seed: int = 20260


@dataclass(frozen=True)
class SheetRecipe:
    """Dilations in samples, mixtures of each column's leads, and the ridges tried in cross-validation."""

    dilations: tuple[int, ...] = (1, 2, 3, 4, 6, 8, 12, 16, 24)
    mixtures: int = 2
    ridges: tuple[float, ...] = (1.0, 3.0, 10.0)
    seed: int = 20260
