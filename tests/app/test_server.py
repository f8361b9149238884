"""The end of the service: who is answered, how long it takes, and with which status the process ends."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.net import Answer, Client, free_port
from tests.processes import Process, bare_service, begun

PATIENCE = 20.0


class Service:
    """A process that serves."""

    def __init__(self, port: int, process: Process) -> None:
        self.port = port
        self.process = process

    def stop(self, number: int = signal.SIGTERM) -> None:
        self.process.signal(number)

    def ask(self, path: str) -> Client:
        """A connection that has asked for this."""
        client = Client(self.port)
        client.send(f"GET {path} HTTP/1.1\r\nHost: service\r\n\r\n".encode())
        return client

    def end(self) -> str:
        """Wait for its end, which must be with status 0; its log."""
        return self.process.end()


Serving = Callable[..., AbstractContextManager[Service]]


@pytest.fixture
def serving(tmp_path: Path) -> Serving:
    """How to begin a service in a process of its own."""

    @contextmanager
    def serving(*, drain_seconds: float = 0, stop_seconds: float = 30) -> Iterator[Service]:
        port = free_port()
        settings = f'{{"port": {port}, "drain_seconds": {drain_seconds}, "stop_seconds": {stop_seconds}}}'
        with begun(bare_service, settings, log=tmp_path / "log") as process:
            service = Service(port, process)
            _wait_for_answer(service)
            yield service

    return serving


def _wait_for_answer(service: Service) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and service.process.runs:
        try:
            with service.ask("/ready") as client:
                assert client.answer().body == b"serving"
                return
        except OSError:
            time.sleep(0.01)
    raise AssertionError("the server did not answer")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_service_ends_at_once_with_status_0(serving: Serving, number: int) -> None:
    with serving() as service:
        service.stop(number)
        assert "Finished" in service.end()


def test_readiness_goes_first_while_everything_else_is_served(serving: Serving) -> None:
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


def test_requests_under_way_are_answered_and_their_connections_closed(serving: Serving) -> None:
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


def test_who_has_connected_before_the_end_is_answered(serving: Serving) -> None:
    """Also where the server had no time to accept the connection, nor to read from those that it keeps."""
    with serving() as service, ExitStack() as stack:
        kept = [stack.enter_context(service.ask("/other")) for _ in range(5)]
        assert [client.answer().status for client in kept] == [200] * 5
        service.process.signal(signal.SIGSTOP)
        service.stop()
        new = [stack.enter_context(service.ask("/other")) for _ in range(50)]
        for client in kept:
            client.send(b"GET /other HTTP/1.1\r\nHost: service\r\n\r\n")
        service.process.signal(signal.SIGCONT)
        for client in kept + new:
            answer = client.answer()
            assert answer.status == 200
        service.end()


def test_a_request_that_does_not_end_is_told_so_and_does_not_keep_the_service(serving: Serving) -> None:
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
def test_work_that_nobody_waits_for_and_a_loop_that_hangs_do_not_keep_the_service(serving: Serving, path: str) -> None:
    with serving(stop_seconds=1) as service, service.ask(path):
        time.sleep(0.3)
        service.stop()
        # A handler runs between two steps of Python: `time.sleep` goes on after it.
        assert "work that does not end" in service.end()


def test_a_second_signal_ends_it_at_once(serving: Serving) -> None:
    with serving(drain_seconds=60, stop_seconds=60) as service, service.ask("/stuck"):
        time.sleep(0.3)
        service.stop()
        time.sleep(0.3)
        service.stop(signal.SIGINT)
        assert "second signal" in service.end()


def test_a_port_that_is_taken_is_a_failure(serving: Serving, tmp_path: Path) -> None:
    with serving() as service:
        settings = f'{{"port": {service.port}}}'
        with begun(bare_service, settings, log=tmp_path / "other") as other:
            assert "address already in use" in other.end(status=3)
