"""The end of the service: who is answered, how long it takes, and with which status the process ends."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.net import Answer, Client, free_port

ROOT = Path(__file__).parents[2]
PATIENCE = 20.0

SERVER = '''
import asyncio, json, logging, sys, time
from concurrent.futures import ThreadPoolExecutor
from app.server import serve
from app.settings import Settings

logging.basicConfig(level="INFO", format="%(message)s")
executor = ThreadPoolExecutor(1)

class App:
    """Answers /ready by what the server says, /slow after a second, /stuck and /abandoned never and at once with a
    thread that works for ever."""

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            await receive()
            scope["state"]["stopping"] = False
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        stopping, path = scope["state"]["stopping"], scope["path"]
        if path == "/slow":
            await asyncio.sleep(1)
        if path in ("/stuck", "/abandoned"):
            work = asyncio.get_running_loop().run_in_executor(executor, time.sleep, 60)
        if path == "/blocked":
            time.sleep(60)
        if path == "/stuck":
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        content = b"stopping" if stopping else b"serving"
        await send({"type": "http.response.start", "status": 503 if stopping and path == "/ready" else 200,
                    "headers": [(b"content-length", b"%d" % len(content))]})
        await send({"type": "http.response.body", "body": content})

serve(App(), Settings(**json.loads(sys.argv[1])))
'''


class Service:
    """A process that serves."""

    def __init__(self, port: int, process: "subprocess.Popen[str]") -> None:
        self.port = port
        self.process = process

    def stop(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def ask(self, path: str) -> Client:
        """A connection that has asked for this."""
        client = Client(self.port)
        client.send(f"GET {path} HTTP/1.1\r\nHost: service\r\n\r\n".encode())
        return client

    def end(self) -> str:
        """Wait for its end, which must be with status 0; its log."""
        _, log = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == 0, log
        return log


@contextmanager
def serving(*, drain_seconds: float = 0, stop_seconds: float = 30) -> Iterator[Service]:
    """A service in a process of its own."""
    port = free_port()
    settings = f'{{"port": {port}, "drain_seconds": {drain_seconds}, "stop_seconds": {stop_seconds}}}'
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, settings], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    service = Service(port, process)
    try:
        _wait_for_answer(service)
        yield service
    finally:
        process.kill()
        process.communicate()


def _wait_for_answer(service: Service) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and service.process.poll() is None:
        try:
            with service.ask("/ready") as client:
                assert client.answer().body == b"serving"
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("the server did not answer")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_service_ends_at_once_with_status_0(number: int) -> None:
    with serving() as service:
        service.stop(number)
        assert "Finished" in service.end()


def test_readiness_goes_first_while_everything_else_is_served() -> None:
    with serving(drain_seconds=2) as service, service.ask("/ready") as monitor:
        assert monitor.answer().status == 200
        service.stop()
        end = time.monotonic() + PATIENCE
        while (answer := _asked_again(monitor, "/ready")).status != 503:
            assert time.monotonic() < end
        assert answer.body == b"stopping"
        assert "connection" not in answer.headers
        with service.ask("/other") as newcomer:
            assert newcomer.answer().status == 200
        service.end()


def _asked_again(client: Client, path: str) -> Answer:
    client.send(f"GET {path} HTTP/1.1\r\nHost: service\r\n\r\n".encode())
    return client.answer()


def test_requests_under_way_are_answered_and_their_connections_closed() -> None:
    with serving() as service, ExitStack() as stack:
        under_way = [stack.enter_context(service.ask("/slow")) for _ in range(5)]
        time.sleep(0.3)
        service.stop()
        for client in under_way:
            answer = client.answer()
            assert (answer.status, answer.headers["connection"]) == (200, "close")
        service.end()
        with pytest.raises(ConnectionError):
            service.ask("/other")


def test_who_has_connected_before_the_end_is_answered() -> None:
    """Also where the server had no time to accept the connection, nor to read from those that it keeps."""
    with serving() as service, ExitStack() as stack:
        kept = [stack.enter_context(service.ask("/other")) for _ in range(5)]
        assert [client.answer().status for client in kept] == [200] * 5
        service.process.send_signal(signal.SIGSTOP)
        service.stop()
        new = [stack.enter_context(service.ask("/other")) for _ in range(50)]
        for client in kept:
            client.send(b"GET /other HTTP/1.1\r\nHost: service\r\n\r\n")
        service.process.send_signal(signal.SIGCONT)
        for client in kept + new:
            answer = client.answer()
            assert answer.status == 200
        service.end()


def test_a_request_that_does_not_end_is_told_so_and_does_not_keep_the_service() -> None:
    with serving(stop_seconds=1) as service, service.ask("/stuck") as stuck:
        time.sleep(0.3)
        service.stop()
        answer = stuck.answer()
        assert (answer.status, answer.json()["error"]) == (503, "Service stopping")
        assert answer.headers["connection"] == "close"
        log = service.end()
        assert "Gave up 1 connections after 1 seconds." in log
        assert "work that does not end" in log
        assert "Traceback" not in log


@pytest.mark.parametrize("path", ["/abandoned", "/blocked"])
def test_work_that_nobody_waits_for_and_a_loop_that_hangs_do_not_keep_the_service(path: str) -> None:
    with serving(stop_seconds=1) as service, service.ask(path):
        time.sleep(0.3)
        service.stop()
        # A handler runs between two steps of Python: `time.sleep` goes on after it.
        assert "work that does not end" in service.end()


def test_a_second_signal_ends_it_at_once() -> None:
    with serving(drain_seconds=60, stop_seconds=60) as service, service.ask("/stuck"):
        time.sleep(0.3)
        service.stop()
        time.sleep(0.3)
        service.stop(signal.SIGINT)
        assert "second signal" in service.end()


def test_a_port_that_is_taken_is_a_failure() -> None:
    with serving() as service:
        settings = f'{{"port": {service.port}}}'
        other = subprocess.run(
            [sys.executable, "-c", SERVER, settings], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE
        )
        assert other.returncode == 3
        assert "address already in use" in other.stderr
