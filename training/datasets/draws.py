"""Small random draws that made-up pictures are put together from."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Rng = np.random.Generator
Rgb = tuple[int, int, int]
T = TypeVar("T")


def chance(rng: Rng, probability: float) -> bool:
    """True with a probability."""
    return bool(rng.random() < probability)


def pick(rng: Rng, choices: Sequence[tuple[T, float]]) -> T:
    """One of (choice, weight)."""
    weights = np.array([weight for _, weight in choices])
    return choices[rng.choice(len(choices), p=weights / weights.sum())][0]


def between(rng: Rng, low: float, high: float) -> float:
    """A number from `low` to `high`, each as likely."""
    return float(rng.uniform(low, high))


def vary(rng: Rng, colour: Rgb, spread: int) -> Rgb:
    """A colour at most `spread` levels from another in each channel."""
    red, green, blue = np.clip(np.array(colour) + rng.integers(-spread, spread + 1, 3), 0, 255).tolist()
    return red, green, blue


def blend(paper: Rgb, hue: Rgb, strength: float) -> Rgb:
    """The colour a share `strength` of the way from one to another."""
    red, green, blue = (round(a + (b - a) * strength) for a, b in zip(paper, hue, strict=True))
    return red, green, blue
