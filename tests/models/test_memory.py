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
from models.memory import keep_heaps_small

if sys.argv[1] == "given back":
    keep_heaps_small()

def work(number):
    half = Image.new("RGB", (3000, 3000), (number, 2, 3)).copy()
    return [half.resize((200 + number, 200)) for _ in range(3)]

before = psutil.Process().memory_info().rss
with ThreadPoolExecutor(2) as pool:
    list(pool.map(work, range(3)))
    print((psutil.Process().memory_info().rss - before) >> 20)
"""

HEAPS = """
import re, sys
from threading import Barrier, Thread
from models.memory import keep_heaps_small

if sys.argv[1] == "given back":
    keep_heaps_small()
together = Barrier(9)

def work():
    block = bytearray(100_000)
    together.wait()
    together.wait()

for _ in range(8):
    Thread(target=work).start()
together.wait()
starts = re.findall(r"^([0-9a-f]+)-[0-9a-f]+ rw-p 00000000 00:00 0 *$", open("/proc/self/maps").read(), re.M)
print(sum(int(start, 16) % (64 << 20) == 0 for start in starts))
together.wait()
"""

ARENA = """
import ctypes, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import numpy as np
from models.memory import keep_heaps_small
from models.serving.engine import Engine, blank
from models.serving.loading import read_newest_bundle

class Figures(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks mapped a b c d e".split()]

keep_heaps_small()
bundle = read_newest_bundle(Path("models/bundles/skin"))
engine = Engine(bundle)
batch = np.stack([blank(bundle.metadata)] * 4)
with ThreadPoolExecutor(3) as pool:
    list(pool.map(engine.run, [batch] * 12))
if sys.argv[1] == "given back":
    engine.give_arena_back()
ask = ctypes.CDLL(None).mallinfo2
ask.restype = Figures
print(ask().mapped >> 20)
"""


def _measured(program: str, how: str) -> int:
    """What a process of its own prints."""
    run = subprocess.run(
        [sys.executable, "-c", program, how], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    return int(run.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc is told")
def test_freed_blocks_of_a_picture_are_given_back() -> None:
    """By the megabytes that are left after many large pictures."""
    assert 2 * _measured(WORK, "given back") < _measured(WORK, "kept")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc is told")
def test_threads_share_their_heaps() -> None:
    """By the blocks of 64 MB in which glibc lays out a further heap."""
    assert _measured(HEAPS, "given back") <= 1
    assert _measured(HEAPS, "kept") >= 4


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc tells")
def test_what_networks_computed_in_can_be_given_back() -> None:
    """By the megabytes of large blocks."""
    assert 2 * _measured(ARENA, "given back") < _measured(ARENA, "kept")


@pytest.mark.anyio
async def test_it_goes_back_when_nothing_is_in_progress_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    held, given, under_way, answered = [100], [0], [1], [0]

    def give() -> None:
        given[0] += 1
        held[0] = 101

    monkeypatch.setattr(memory, "_LOOKS_SECONDS", 0.001)
    monkeypatch.setattr(memory, "_resident", lambda: held[0])
    task = asyncio.create_task(memory.stay_small(lambda: under_way[0], lambda: answered[0], give))
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
    held[0] = 90
    async with asyncio.timeout(5):
        while given == [1]:  # noqa: ASYNC110 - as before
            await asyncio.sleep(0.001)
    answered[0] += 1
    async with asyncio.timeout(5):
        while given == [2]:  # noqa: ASYNC110 - as before
            await asyncio.sleep(0.001)
    await asyncio.sleep(0.05)
    assert given == [3]
    task.cancel()
