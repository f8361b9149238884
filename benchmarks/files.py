"""How fast `medidiagnose predict` reads a folder: `python -m benchmarks.files FOLDER [--diagnosis skin] [--count 500]`.

Pictures of the folder are read by the command, and by two loops that only prepare them and run the same network: one
picture after the other on all cores, as anyone would write it, and a thread a core. Each is a process of its own, from
its start to its end, the three in turn; what counts is the median of the rounds, in pictures a second, and what the
command reaches of the plain loop. `--short` reads fewer, once.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from app.settings import Settings, load_settings
from benchmarks.report import Bar, Figure, judge, report
from benchmarks.server import KEEPS_BYTECODE
from models.preprocessing.inputs import KINDS, Limits, SentPicture
from models.serving.engine import PROBABILITIES, Engine
from models.serving.loading import active_version, read_version

LEAST = 0.9
"""Of the plain loop's rate."""
WAYS = ("command", "plain loop", "thread a core")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--diagnosis", default="skin")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--short", action="store_true", help="100 pictures, two rounds")
    parser.add_argument("--loop", choices=WAYS[1:], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.loop:
        _loop(options.diagnosis, options.folder, load_settings(), together=options.loop != WAYS[1])
        return 0
    return _compare(options)


def _compare(options: argparse.Namespace) -> int:
    count, rounds = (100, 2) if options.short else (options.count, options.rounds)
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    processor: dict[str, list[float]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as kept:
        folder = Path(kept)
        _link(options.folder, folder, count)
        for _ in range(rounds):
            for way in WAYS:
                wall, used = _timed(way, options.diagnosis, folder)
                seconds[way].append(wall)
                processor[way].append(used)
    rates = {way: count / statistics.median(taken) for way, taken in seconds.items()}
    rows = [Figure(way, rate, "pictures a second") for way, rate in rates.items()]
    rows += [
        Figure(f"{way}, processor", 1000 * statistics.median(used) / count, "ms a picture")
        for way, used in processor.items()
    ]
    report("files", rows)
    command, plain, threads = rates.values()
    bars = [Bar("command to plain loop", command / plain, least=LEAST), Bar("command to threads", command / threads)]
    return judge("files", bars, whole=not options.short)


def _link(source: Path, folder: Path, count: int) -> None:
    """Put links to the first pictures of a folder into another, and read them once, so that no way waits for a disk."""
    files = sorted(file for file in source.rglob("*") if file.suffix.lower() in (".jpg", ".jpeg", ".png"))[:count]
    if len(files) < count:
        raise SystemExit(f"{source} holds {len(files)} pictures; {count} are asked for.")
    for number, file in enumerate(files):
        (folder / f"{number:05}{file.suffix}").symlink_to(file.resolve())
        file.read_bytes()


def _timed(way: str, diagnosis: str, folder: Path) -> tuple[float, float]:
    """Seconds of the wall clock and of the processors that a process takes, from its start to its end."""
    if way == WAYS[0]:
        command = [str(Path(sys.executable).with_name("medidiagnose")), "predict", diagnosis, str(folder), "--csv"]
    else:
        command = [sys.executable, "-m", "benchmarks.files", str(folder), "--diagnosis", diagnosis, "--loop", way]
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, **KEEPS_BYTECODE})
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 3):  # 3: a picture was not accepted
        raise RuntimeError(f"{way} ended with status {process.returncode}")
    return wall, usage.ru_utime + usage.ru_stime


def _loop(name: str, folder: Path, settings: Settings, *, together: bool) -> None:
    """Prepare each picture and run the network, with nothing around it; print the probabilities."""
    bundle = read_version(active_version(settings.bundles / name, {}), settings.precision)
    engine = Engine(bundle, threads=settings.threads)
    preprocessing = bundle.metadata.preprocessing
    prepare = KINDS[preprocessing.kind].prepare
    limits = Limits(max_pixels=settings.max_pixels)

    def read(file: Path, cores: int) -> list[float]:
        prepared = prepare(SentPicture(file.read_bytes()), preprocessing, limits)
        probabilities: list[float] = engine.run(prepared.tensors, cores=cores)[PROBABILITIES][0].tolist()
        return probabilities

    files = sorted(folder.iterdir())
    if together:
        with ThreadPoolExecutor(settings.threads) as threads:
            for file, likely in zip(files, threads.map(lambda file: read(file, 1), files), strict=True):
                print(file.name, likely)
    else:
        for file in files:
            print(file.name, read(file, settings.threads))


if __name__ == "__main__":
    raise SystemExit(main())
