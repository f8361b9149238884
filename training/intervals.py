"""Intervals of shares."""

import math


def wilson(yes: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """The interval (95 % with the usual `z`) of a share of `yes` out of `count`, both ends 0-1.

    Wilson 1927, J Am Stat Assoc 22:209, doi:10.1080/01621459.1927.10502953.
    """
    share = yes / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return max(0.0, middle - half), min(1.0, middle + half)
