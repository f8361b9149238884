"""Memory that large pictures took is the system's again once they are answered."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from models import memory

ROOT = Path(__file__).parents[2]
WORK = """
import sys
from concurrent.futures import ThreadPoolExecutor
import psutil
from PIL import Image
from models.memory import give_back_large_blocks

if sys.argv[1] == "given back":
    give_back_large_blocks()

def work(number):
    half = Image.new("RGB", (6000, 6000), (number, 2, 3)).reduce(2)
    return [half.resize((200 + number, 200)) for _ in range(3)]

before = psutil.Process().memory_info().rss
with ThreadPoolExecutor(2) as pool:
    for _ in range(3):
        list(pool.map(work, range(6)))
    print((psutil.Process().memory_info().rss - before) >> 20)
"""


def _left_behind(how: str) -> int:
    """Megabytes that a process of its own still holds after many large pictures."""
    run = subprocess.run(
        [sys.executable, "-c", WORK, how], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    return int(run.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc is told")
def test_freed_blocks_of_a_picture_are_given_back() -> None:
    assert 2 * _left_behind("given back") < _left_behind("kept")


@pytest.mark.anyio
async def test_it_goes_back_when_nothing_is_in_progress_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    held, given, under_way = [100], [0], [1]

    def give() -> None:
        given[0] += 1
        held[0] = 101

    monkeypatch.setattr(memory, "_LOOKS_SECONDS", 0.001)
    monkeypatch.setattr(memory, "_resident", lambda: held[0])
    monkeypatch.setattr(memory, "give_memory_back", give)
    task = asyncio.create_task(memory.stay_small(lambda: under_way[0]))
    await asyncio.sleep(0)
    held[0] = 200
    await asyncio.sleep(0.05)
    assert given == [0]
    under_way[0] = 0
    async with asyncio.timeout(5):
        while given == [0]:  # noqa: ASYNC110 - of what happens in a thread
            await asyncio.sleep(0.001)
    held[0] = 103
    await asyncio.sleep(0.05)
    assert given == [1]
    task.cancel()
