"""Memory that large pictures took is the system's again once they are answered."""

import sys
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from PIL import Image

from models.memory import give_back_large_blocks


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc is told")
def test_freed_blocks_of_a_picture_are_given_back() -> None:
    give_back_large_blocks()
    process = psutil.Process()

    def work(_: int) -> None:
        pictures = [Image.new("RGB", (2000, 2000), (1, 2, 3)) for _ in range(4)]  # each of 16 MB in one block
        pictures.append(pictures[0].convert("L"))

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, range(3)))
        before = process.memory_info().rss
        for _ in range(3):
            list(pool.map(work, range(6)))
        assert process.memory_info().rss - before < 40 << 20
