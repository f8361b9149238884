"""Reload the models on SIGHUP."""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from models.serving.registry import LoadUnderWayError, ModelRegistry, Reload

logger = logging.getLogger("medidiagnose.models")


@contextmanager
def reloading_on_hangup(registry: ModelRegistry) -> Iterator[None]:
    """Reload the models of `registry` at each SIGHUP that arrives meanwhile. To be used inside a running event loop.

    Where a terminal is attached the signal comes from that being closed, and nothing is done. Only the main thread can
    receive signals; elsewhere, and on systems without SIGHUP, nothing is changed.
    """
    hangup = getattr(signal, "SIGHUP", None)
    if hangup is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()

    def receive() -> None:
        if terminal_is_attached():
            logger.info("SIGHUP is ignored, since a terminal is attached.")
            return
        task = loop.create_task(_reload(registry), name="reload models")
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    before = signal.getsignal(hangup)
    loop.add_signal_handler(hangup, receive)
    try:
        yield
    finally:
        loop.remove_signal_handler(hangup)
        signal.signal(hangup, before)
        for task in tasks:
            task.cancel()


def terminal_is_attached() -> bool:
    """Whether a SIGHUP may come from a terminal that is being closed."""
    return any(os.isatty(stream) for stream in (0, 1, 2))


async def _reload(registry: ModelRegistry) -> None:
    try:
        reloads = await registry.reload()
    except LoadUnderWayError as error:
        logger.warning("SIGHUP: %s", error)
        return
    logger.info("SIGHUP: %s.", said(reloads))


def said(reloads: Iterable[Reload]) -> str:
    """What became of each model, in a line."""
    return "; ".join(f"{each.name} {each.version or '-'} {each.outcome}" for each in reloads)
