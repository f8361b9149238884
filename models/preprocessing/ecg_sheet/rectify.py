"""Where a photographed sheet lies: its grid, print and base lines run along two directions, and perspective lets each
of them meet in a vanishing point. Both are found by vote of the local spectra, where parallel lines are rays."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.preprocessing.picture import UInt8Array

FloatArray = NDArray[np.float64]
FloatMap = NDArray[np.float32]

_REDUCTION = 2
_BLOCK = 128
_SLOPES = np.linspace(-0.3, 0.3, 121)
_CONVERGENCES = np.linspace(-0.25, 0.25, 51)
_CLEAR = 1.04
_STRAIGHT = 1e-7
"""Of a plane's matrix; what differs from unity by less moves no pixel."""
_FREQUENCIES = np.arange(5, 60)
"""Of lines, in cycles a block; lower ones are shades and margins, higher ones noise."""


class Plane(NamedTuple):
    """Where the sheet lies in the picture. `matrix` (3x3) takes a point of the straight sheet, in pixels from its upper
    left corner, to the picture; `size` is the straight sheet's (width, height)."""

    matrix: FloatArray
    size: tuple[int, int]


def find_plane(lines: UInt8Array) -> Plane:
    """The plane of a sheet from its density map (height, width); turns of up to 45 degrees are undone."""
    height, width = lines.shape
    usual = float(np.percentile(lines[::4, ::4], 90))
    small = Image.fromarray(np.minimum(lines, max(usual, 4)).astype(np.uint8)).reduce(_REDUCTION)
    x, y, spectra = _spectra(small)
    turn = _turn(spectra)
    if turn:
        x, y, spectra = _spectra(small.rotate(np.rad2deg(turn), Image.Resampling.BILINEAR))
    unit = max(width, height) / 2
    x, y = (x * _REDUCTION - width / 2) / unit, (y * _REDUCTION - height / 2) / unit
    slope, convergence = _vanishing(x, y, spectra)
    upright_slope, upright_convergence = _vanishing(y, x, spectra.transpose(0, 2, 1), usual=-slope)
    cos, sin = np.cos(turn), np.sin(turn)
    rotation = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1.0]])
    straight = np.array([[1, upright_slope, 0], [slope, 1, 0], [convergence, upright_convergence, 1]])
    return _fit(rotation @ straight, unit, width, height)


def straighten(density: UInt8Array, plane: Plane) -> UInt8Array:
    """The density map (height, width) as it would be with the sheet flat before the camera."""
    if plane.size == density.shape[::-1] and np.allclose(plane.matrix / plane.matrix[2, 2], np.eye(3), atol=_STRAIGHT):
        return density
    coefficients = (plane.matrix / plane.matrix[2, 2]).ravel()[:8].tolist()
    flat = Image.fromarray(density).transform(
        plane.size, Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BILINEAR
    )
    return np.asarray(flat)


def _spectra(picture: Image.Image) -> tuple[FloatArray, FloatArray, FloatMap]:
    """Centres (x, y) of overlapping blocks, and their spectra (n, block, block) with frequency 0 in the middle, the
    share of every direction."""
    density = np.asarray(picture, dtype=np.float32)
    density = np.pad(density, [(0, max(0, _BLOCK - length)) for length in density.shape])
    lefts, tops = (
        np.linspace(0, length - _BLOCK, max(2, round(1.5 * length / _BLOCK))).astype(int)
        for length in (density.shape[1], density.shape[0])
    )
    window = np.hanning(_BLOCK).astype(np.float32)
    blocks = np.stack([density[y : y + _BLOCK, x : x + _BLOCK] for y in tops for x in lefts])
    blocks = (blocks - blocks.mean(axis=(1, 2), keepdims=True)) * window * window[:, None]
    spectra = np.abs(np.fft.fftshift(np.fft.fft2(blocks), axes=(1, 2))).astype(np.float32)
    x, y = np.meshgrid(lefts + _BLOCK / 2, tops + _BLOCK / 2)
    return x.ravel(), y.ravel(), spectra


def _turn(spectra: FloatMap) -> float:
    """The angle, within 45 degrees, at which most lines stand to the picture's edges, in radians."""
    spectrum = spectra.mean(axis=0)
    degrees = np.arange(-45, 45, 0.5)
    angles = np.deg2rad(degrees)[:, None]
    along, off = _FREQUENCIES * np.cos(angles), _FREQUENCIES * np.sin(angles)
    middle = _BLOCK // 2
    votes = sum(
        spectrum[np.rint(middle + down).astype(int), np.rint(middle + across).astype(int)].sum(axis=1)
        for across, down in ((-off, along), (along, off))
    )
    return float(angles[int(np.argmax(votes)), 0])


def _vanishing(x: FloatArray, y: FloatArray, spectra: FloatMap, usual: float | None = None) -> tuple[float, float]:
    """Slope (dy/dx) and convergence of the lines that run along x: at (x, y) they have the direction
    (1 - convergence * x, slope - convergence * y). Without clear lines it is the `usual` slope and no convergence."""
    middle = _BLOCK // 2
    column = middle - _SLOPES[:, None] * _FREQUENCIES
    left = np.floor(column).astype(int)
    part = (column - left).astype(np.float32)
    row = middle + _FREQUENCIES
    votes = (spectra[:, row, left] * (1 - part) + spectra[:, row, left + 1] * part).sum(axis=2)
    votes /= votes.mean(axis=1, keepdims=True) + 1e-6
    slope, convergence = np.meshgrid(_SLOPES, _CONVERGENCES)
    total = np.zeros(slope.shape, dtype=np.float32)
    for block in range(len(votes)):
        local = (slope - convergence * y[block]) / (1 - convergence * x[block])
        total += np.interp(local, _SLOPES, votes[block])
    best = int(np.argmax(total))
    if usual is not None and total.max() < _CLEAR * np.interp(usual, _SLOPES, total[len(_CONVERGENCES) // 2]):
        return usual, 0.0
    return float(slope.ravel()[best]), float(convergence.ravel()[best])


def _fit(matrix: FloatArray, unit: float, width: int, height: int) -> Plane:
    """Shift the straight sheet so that the whole picture is on it, and go from half long sides to pixels."""
    pixels = np.array([[unit, 0, width / 2], [0, unit, height / 2], [0, 0, 1]])
    corners = np.array([[0, width, width, 0], [0, 0, height, height], [1, 1, 1, 1.0]])
    seen = np.linalg.inv(pixels @ matrix) @ corners
    seen = seen[:2] / seen[2]
    low, high = seen.min(axis=1), seen.max(axis=1)
    size = np.minimum((high - low) * unit, 1.6 * max(width, height))
    shift = np.array([[1 / unit, 0, low[0]], [0, 1 / unit, low[1]], [0, 0, 1]])
    return Plane(pixels @ matrix @ shift, (round(size[0]), round(size[1])))
