"""Random changes of a batch of pictures, inside the training graph and reproducible from a seed.

Pictures are (n, size, size, 3) float32, 0-255, before and after.
"""

from dataclasses import dataclass, replace
from typing import Any

import tensorflow as tf


@dataclass(frozen=True)
class Augmentation:
    """How far each change may go; the defaults change nothing. `grey` pictures are changed in one channel, to be quick.

    `rotation` degrees either way; `zoom` and `stretch` (aspect ratio) as factors >= 1 either way; `shift` and
    `border` (a black or grey frame over markers and collimation) as shares of the edge; `brightness` on the 0-255
    scale; `contrast`, `saturation`, `white_balance` and `gamma` as shares either way; `tone` as the share that gets an
    S-shaped curve of random steepness, as another machine would; `noise` as the highest standard deviation;
    `degrade_share` of the pictures are shrunk to `degrade_to` pixels and enlarged again; `erase_share` get a grey box;
    `corner_share` get their corners covered; `context_share` keep their middle and get the surroundings of another
    picture of the batch, so that only the middle goes with the label (Xiao et al. 2021, arXiv:2006.09994).
    """

    grey: bool = False
    flip_horizontal: bool = False
    flip_vertical: bool = False
    rotation: float = 0.0
    zoom: float = 1.0
    stretch: float = 1.0
    shift: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    white_balance: float = 0.0
    gamma: float = 0.0
    tone: float = 0.0
    noise: float = 0.0
    degrade_share: float = 0.0
    degrade_to: tuple[int, int] = (110, 150)
    erase_share: float = 0.0
    border: float = 0.0
    border_share: float = 0.0
    corner_share: float = 0.0
    context_share: float = 0.0


DERMOSCOPY = Augmentation(
    flip_horizontal=True,
    flip_vertical=True,
    rotation=180.0,
    zoom=1.25,
    stretch=1.1,
    shift=0.08,
    brightness=20.0,
    contrast=0.2,
    saturation=0.25,
    white_balance=0.08,
    gamma=0.15,
    noise=4.0,
    degrade_share=0.4,
    erase_share=0.25,
)

CHEST_XRAY_PLAIN = Augmentation(
    grey=True,
    flip_horizontal=True,
    rotation=10.0,
    zoom=1.2,
    stretch=1.15,
    shift=0.08,
    brightness=30.0,
    contrast=0.35,
    gamma=0.4,
    noise=6.0,
    degrade_share=0.4,
    degrade_to=(96, 180),
    erase_share=0.25,
    border=0.14,
    border_share=0.4,
    corner_share=0.4,
)

CHEST_XRAY = replace(CHEST_XRAY_PLAIN, gamma=0.5, tone=0.5, context_share=0.3)

ULTRASOUND = Augmentation(
    grey=True,
    flip_horizontal=True,
    rotation=12.0,
    zoom=1.5,
    stretch=1.3,
    shift=0.15,
    brightness=30.0,
    contrast=0.4,
    gamma=0.5,
    tone=0.4,
    noise=12.0,
    degrade_share=0.5,
    degrade_to=(80, 180),
    erase_share=0.3,
    border=0.2,
    border_share=0.3,
)

RECIPES = {
    "dermoscopy": DERMOSCOPY,
    "chest_xray": CHEST_XRAY,
    "chest_xray_plain": CHEST_XRAY_PLAIN,
    "ultrasound": ULTRASOUND,
}


def augment(pictures: Any, recipe: Augmentation, seed: Any) -> Any:
    """Change each picture of the batch by its own random draw; `seed` is an int32 tensor of shape (2,)."""
    draw = _Draw(seed, tf.shape(pictures)[0])
    if recipe.grey:
        pictures = pictures[..., :1]
    pictures = _geometry(pictures, recipe, draw)
    if recipe.degrade_share:
        pictures = _degrade(pictures, recipe, draw)
    pictures = _colour(pictures, recipe, draw)
    if recipe.context_share:
        pictures = _swap_context(pictures, recipe, draw)
    if recipe.border_share:
        pictures = _frame(pictures, recipe, draw)
    if recipe.corner_share:
        pictures = _cover_corners(pictures, recipe, draw)
    if recipe.erase_share:
        pictures = _erase(pictures, recipe, draw)
    pictures = tf.clip_by_value(pictures, 0.0, 255.0)
    return tf.repeat(pictures, 3, axis=3) if recipe.grey else pictures


class _Draw:
    """Independent random numbers for each use, one for each picture."""

    def __init__(self, seed: Any, count: Any) -> None:
        self._seed, self._uses, self.count = seed, 0, count

    def uniform(self, low: float, high: float, *shape: int) -> Any:
        return tf.random.stateless_uniform((self.count, *shape), self.seed(), low, high)

    def factor(self, limit: float) -> Any:
        """Log-uniform between 1 / limit and limit."""
        return tf.exp(self.uniform(-1.0, 1.0) * tf.math.log(tf.constant(limit, tf.float32)))

    def happens(self, share: float) -> Any:
        return self.uniform(0.0, 1.0) < share

    def seed(self) -> Any:
        self._uses += 1
        return tf.random.fold_in(self._seed, self._uses)


def _geometry(pictures: Any, recipe: Augmentation, draw: _Draw) -> Any:
    size = tf.cast(tf.shape(pictures)[1], tf.float32)
    angle = draw.uniform(-recipe.rotation, recipe.rotation) * (3.141592653589793 / 180.0)
    zoom, stretch = draw.factor(recipe.zoom), tf.sqrt(draw.factor(recipe.stretch))
    scale_x, scale_y = zoom * stretch, zoom / stretch
    if recipe.flip_horizontal:
        scale_x *= tf.where(draw.happens(0.5), -1.0, 1.0)
    if recipe.flip_vertical:
        scale_y *= tf.where(draw.happens(0.5), -1.0, 1.0)
    shift_x = draw.uniform(-recipe.shift, recipe.shift) * size
    shift_y = draw.uniform(-recipe.shift, recipe.shift) * size
    a, b = tf.cos(angle) * scale_x, -tf.sin(angle) * scale_y
    c, d = tf.sin(angle) * scale_x, tf.cos(angle) * scale_y
    centre = (size - 1.0) / 2.0
    nothing = tf.zeros_like(angle)
    offset_x = centre - a * centre - b * centre + shift_x
    offset_y = centre - c * centre - d * centre + shift_y
    matrix = tf.stack([a, b, offset_x, c, d, offset_y, nothing, nothing], axis=1)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=pictures,
        transforms=matrix,
        output_shape=tf.shape(pictures)[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="REFLECT",
    )


def _degrade(pictures: Any, recipe: Augmentation, draw: _Draw) -> Any:
    low, high = recipe.degrade_to
    edge = tf.random.stateless_uniform((), draw.seed(), low, high + 1, tf.int32)
    small = tf.image.resize(pictures, tf.stack([edge, edge]), method="area")
    soft = tf.image.resize(small, tf.shape(pictures)[1:3], method="bilinear")
    return tf.where(_each(draw.happens(recipe.degrade_share)), soft, pictures)


def _colour(pictures: Any, recipe: Augmentation, draw: _Draw) -> Any:
    if recipe.gamma:
        power = _each(draw.factor(1.0 + recipe.gamma))
        pictures = 255.0 * tf.pow(tf.clip_by_value(pictures, 0.0, 255.0) / 255.0, power)
    if recipe.tone:
        pictures = _bend(pictures, recipe, draw)
    matrix, offset = _colour_map(pictures, recipe, draw)
    pictures = pictures * matrix + offset if recipe.grey else tf.einsum("nhwc,ncd->nhwd", pictures, matrix) + offset
    if recipe.noise:
        shape = tf.concat([tf.shape(pictures)[:3], [1]], 0)
        pictures += tf.random.stateless_normal(shape, draw.seed()) * _each(draw.uniform(0.0, recipe.noise))
    return pictures


def _colour_map(pictures: Any, recipe: Augmentation, draw: _Draw) -> tuple[Any, Any]:
    """Saturation, white balance, contrast and brightness as one linear map of the channels: gains and offsets."""
    gain = draw.uniform(1.0 - recipe.contrast, 1.0 + recipe.contrast)
    middle = tf.reduce_mean(pictures[:, ::4, ::4], axis=(1, 2, 3))
    offset = _each((1.0 - gain) * middle + draw.uniform(-recipe.brightness, recipe.brightness))
    if recipe.grey:
        return _each(gain), offset
    saturation = draw.uniform(1.0 - recipe.saturation, 1.0 + recipe.saturation)[:, None, None]
    balance = draw.uniform(1.0 - recipe.white_balance, 1.0 + recipe.white_balance, 3)[:, None, :]
    mixing = saturation * tf.eye(3) + (1.0 - saturation) / 3.0
    return mixing * balance * gain[:, None, None], offset


def _bend(pictures: Any, recipe: Augmentation, draw: _Draw) -> Any:
    steepness, middle = _each(draw.uniform(0.1, 10.0)), _each(draw.uniform(0.25, 0.75))
    low, high = tf.sigmoid(-steepness * middle), tf.sigmoid(steepness * (1.0 - middle))
    bent = (tf.sigmoid(steepness * (pictures / 255.0 - middle)) - low) / (high - low) * 255.0
    return tf.where(_each(draw.happens(recipe.tone)), bent, pictures)


def _swap_context(pictures: Any, recipe: Augmentation, draw: _Draw) -> Any:
    along = tf.linspace(0.0, 1.0, tf.shape(pictures)[1])[None, :]
    low, high = draw.uniform(0.04, 0.2, 2), 1.0 - draw.uniform(0.04, 0.2, 2)
    softness = 0.02
    inside_x = tf.sigmoid((along - low[:, :1]) / softness) * tf.sigmoid((high[:, :1] - along) / softness)
    inside_y = tf.sigmoid((along - low[:, 1:]) / softness) * tf.sigmoid((high[:, 1:] - along) / softness)
    inside = (inside_y[:, :, None] * inside_x[:, None, :])[..., None]
    others = tf.roll(pictures, 1, axis=0)
    return tf.where(_each(draw.happens(recipe.context_share)), pictures * inside + others * (1.0 - inside), pictures)


def _frame(pictures: Any, recipe: Augmentation, draw: _Draw) -> Any:
    along = tf.linspace(0.0, 1.0, tf.shape(pictures)[1])[None, :]
    low, high = draw.uniform(0.0, recipe.border, 2), 1.0 - draw.uniform(0.0, recipe.border, 2)
    inside_x = (along >= low[:, :1]) & (along <= high[:, :1])
    inside_y = (along >= low[:, 1:]) & (along <= high[:, 1:])
    inside = (inside_y[:, :, None] & inside_x[:, None, :])[..., None]
    level = _each(tf.where(draw.happens(0.7), 0.0, draw.uniform(0.0, 255.0)))
    return tf.where(inside | ~_each(draw.happens(recipe.border_share)), pictures, level)


def _cover_corners(pictures: Any, recipe: Augmentation, draw: _Draw) -> Any:
    along = tf.linspace(0.0, 1.0, tf.shape(pictures)[1])[None, :]
    reach = draw.uniform(0.1, 0.25, 2)
    edge_x = (along < reach[:, :1]) | (along > 1.0 - reach[:, :1])
    edge_y = (along < reach[:, 1:]) | (along > 1.0 - reach[:, 1:])
    corner = (edge_y[:, :, None] & edge_x[:, None, :])[..., None] & _each(draw.happens(recipe.corner_share))
    return tf.where(corner, _each(draw.uniform(0.0, 160.0)), pictures)


def _erase(pictures: Any, recipe: Augmentation, draw: _Draw) -> Any:
    along = tf.linspace(0.0, 1.0, tf.shape(pictures)[1])[None, :]
    centre, half = draw.uniform(0.0, 1.0, 2), draw.uniform(0.05, 0.17, 2)
    inside_x = tf.abs(along - centre[:, :1]) < half[:, :1]
    inside_y = tf.abs(along - centre[:, 1:]) < half[:, 1:]
    box = (inside_y[:, :, None] & inside_x[:, None, :])[..., None] & _each(draw.happens(recipe.erase_share))
    return tf.where(box, _each(draw.uniform(0.0, 255.0)), pictures)


def _each(values: Any) -> Any:
    return values[:, None, None, None]
