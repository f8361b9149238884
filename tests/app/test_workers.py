"""Workers behind one port: who gets a connection, what dies with a worker, and what all of them say together."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.settings import MEBIBYTE, Settings, SettingsError
from app.workers.count import WORKER_BYTES, free_memory, usable_cores, workers_of
from app.workers.figures import added, rendered
from app.workers.messages import ANSWER, ASK, Message, taken_from
from app.workers.serving import share_of
from tests.fake_bundle import make_bundle
from tests.net import Client, free_port
from tests.processes import Process, bare_workers, begun, command

PATIENCE = 20.0
KEY = "an-admin-key-of-many-letters"


def _lives(process: psutil.Process) -> bool:
    """Whether it is there, and not one that only waits to be noticed as dead."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


class Service:
    """A supervisor with its workers."""

    def __init__(self, port: int, process: Process) -> None:
        self.port = port
        self.process = process
        self.url = f"http://127.0.0.1:{port}"

    @property
    def workers(self) -> list[psutil.Process]:
        return [each for each in psutil.Process(self.process.pid).children() if _lives(each)]

    def ask(self, path: str) -> Client:
        """A connection that has asked for this."""
        client = Client(self.port)
        client.send(f"GET {path} HTTP/1.1\r\nHost: service\r\n\r\n".encode())
        return client

    def open_connections(self) -> list[int]:
        """Of each worker, the most first."""
        found = [
            sum(each.status == "ESTABLISHED" and each.laddr.port == self.port for each in worker.net_connections("tcp"))
            for worker in self.workers
        ]
        return sorted(found, reverse=True)

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, timeout=PATIENCE)

    def kill_a_worker(self) -> None:
        """Kill one, and wait until another has its place."""
        worker = self.workers[0]
        worker.kill()
        until(lambda: len(self.workers) == 2 and worker.pid not in [each.pid for each in self.workers])


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "what was waited for did not come true"
        time.sleep(0.02)


Serving = Callable[..., AbstractContextManager[Service]]


@pytest.fixture
def bare(tmp_path: Path) -> Serving:
    """How to begin two workers of an application without models."""

    @contextmanager
    def serving(*, drain_seconds: float = 0, stop_seconds: float = 30) -> Iterator[Service]:
        port = free_port()
        settings = f'{{"port": {port}, "drain_seconds": {drain_seconds}, "stop_seconds": {stop_seconds}}}'
        (tmp_path / "log").unlink(missing_ok=True)
        with begun(bare_workers, settings, 2, str(tmp_path / "spoilt"), log=tmp_path / "log") as process:
            service = Service(port, process)
            until(lambda: (tmp_path / "log").exists() and (tmp_path / "log").read_text().count("Started server") == 2)
            yield service

    return serving


@contextmanager
def served(bundles: Path, log: Path, **settings: str) -> Iterator[Service]:
    """Two workers of the service, ready."""
    port = free_port()
    chosen = {"bundles": str(bundles), "port": str(port), "workers": "2", "drain_seconds": "0", **settings}
    environment = {f"MEDIDIAGNOSE_{name.upper()}": value for name, value in chosen.items()}
    with begun(command, ["serve"], environment, log=log) as process:
        service = Service(port, process)
        until(lambda: _is_ready(service) and len(service.workers) == 2)
        yield service


def _is_ready(service: Service) -> bool:
    try:
        return service.get("/health/ready").status_code == 200
    except httpx.TransportError:
        return False


def test_connections_are_spread_evenly_also_after_some_have_ended(bare: Serving) -> None:
    with bare() as service, ExitStack() as stack:
        clients = [stack.enter_context(service.ask("/other")) for _ in range(8)]
        assert [client.answer().status for client in clients] == [200] * 8
        assert service.open_connections() == [4, 4]
        for client in clients[::2]:  # all of one worker
            client.__exit__(None, None, None)
        until(lambda: service.open_connections() == [4, 0])
        time.sleep(0.1)
        more = [stack.enter_context(service.ask("/other")) for _ in range(4)]
        assert [client.answer().status for client in more] == [200] * 4
        assert service.open_connections() == [4, 4]


def test_a_worker_that_is_killed_takes_only_its_own_requests_along(bare: Serving) -> None:
    with bare() as service, ExitStack() as stack:
        slow = [stack.enter_context(service.ask("/slow")) for _ in range(6)]
        until(lambda: service.open_connections() == [3, 3])
        service.kill_a_worker()
        lost = 0
        for client in slow:
            try:
                assert client.answer().status == 200
            except ConnectionError:
                lost += 1
        assert lost == 3
        assert service.get("/other").status_code == 200


def test_whom_a_killed_worker_had_not_taken_over_another_answers(bare: Serving) -> None:
    with bare() as service, ExitStack() as stack:
        worker = service.workers[0]
        worker.suspend()
        clients = [stack.enter_context(service.ask("/other")) for _ in range(10)]
        time.sleep(0.3)
        assert sum(client.has_answer() for client in clients) == 5
        worker.kill()
        assert [client.answer().status for client in clients] == [200] * 10


def test_under_load_with_kills_everybody_else_is_answered(bare: Serving) -> None:
    counts = {"answered": 0, "lost": 0}
    lock, over = threading.Lock(), threading.Event()

    def load(service: Service) -> None:
        while not over.is_set():
            try:
                with service.ask("/other") as client:
                    outcome = "answered" if client.answer().status == 200 else "lost"
            except ConnectionError:
                outcome = "lost"
            with lock:
                counts[outcome] += 1

    with bare() as service:
        threads = [threading.Thread(target=load, args=(service,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(3):
                time.sleep(0.2)
                service.kill_a_worker()
        finally:
            over.set()
            for thread in threads:
                thread.join()
        assert counts["answered"] > 20
        assert counts["lost"] <= 3 * len(threads)


def test_who_has_connected_before_the_end_is_answered(bare: Serving) -> None:
    with bare() as service, ExitStack() as stack:
        kept = [stack.enter_context(service.ask("/other")) for _ in range(4)]
        assert [client.answer().status for client in kept] == [200] * 4
        slow = [stack.enter_context(service.ask("/slow")) for _ in range(4)]
        time.sleep(0.2)
        everybody = [service.process.pid, *(each.pid for each in service.workers)]
        for pid in everybody:
            os.kill(pid, signal.SIGSTOP)
        for pid in everybody:  # as a service manager does
            os.kill(pid, signal.SIGTERM)
        new = [stack.enter_context(service.ask("/other")) for _ in range(20)]
        for client in kept:
            client.send(b"GET /other HTTP/1.1\r\nHost: service\r\n\r\n")
        for pid in everybody:
            os.kill(pid, signal.SIGCONT)
        assert [client.answer().status for client in (*kept, *slow, *new)] == [200] * 28
        service.process.end()
        with pytest.raises(ConnectionError):
            service.ask("/other")


def test_readiness_goes_first_in_every_worker(bare: Serving) -> None:
    with bare(drain_seconds=3) as service, ExitStack() as stack:
        service.process.signal(signal.SIGTERM)
        until(lambda: service.get("/ready").status_code == 503)
        clients = [stack.enter_context(service.ask("/ready")) for _ in range(2)]
        assert [client.answer().status for client in clients] == [503, 503]
        assert service.get("/other").status_code == 200
        service.process.end()


def test_work_that_does_not_end_and_a_second_signal_keep_nobody(bare: Serving) -> None:
    with bare(stop_seconds=1) as service, service.ask("/blocked"), service.ask("/stuck"):
        time.sleep(0.3)
        service.process.signal(signal.SIGTERM)
        service.process.end()
    with bare(drain_seconds=60) as service, service.ask("/stuck"):
        service.process.signal(signal.SIGTERM)
        time.sleep(0.3)
        service.process.signal(signal.SIGINT)
        assert "second signal" in service.process.end()


def test_workers_end_with_their_supervisor(bare: Serving) -> None:
    with bare(stop_seconds=1) as service, service.ask("/stuck"), service.ask("/blocked"):
        time.sleep(0.3)
        workers = service.workers
        service.process.kill()
        _, alive = psutil.wait_procs(workers, timeout=PATIENCE)
        assert alive == []


def test_a_start_that_fails_is_a_failure_and_a_later_one_is_tried_again(bare: Serving, tmp_path: Path) -> None:
    with bare() as service:
        settings = f'{{"port": {service.port}}}'
        with begun(bare_workers, settings, 2, str(tmp_path / "spoilt"), log=tmp_path / "other") as other:
            assert "in use" in other.end(status=3)
        (tmp_path / "spoilt").touch()
        settings = f'{{"port": {free_port()}}}'
        with begun(bare_workers, settings, 2, str(tmp_path / "spoilt"), log=tmp_path / "other") as other:
            assert "ended with status 4 at its start. The service can't start." in other.end(status=3)
        service.workers[0].kill()
        log = tmp_path / "log"
        until(lambda: "ended with status 4. Another takes its place in 0.4 s." in log.read_text())
        assert service.get("/other").status_code == 200
        (tmp_path / "spoilt").unlink()
        until(lambda: log.read_text().count("Started server") == 3)


def figure(service: Service, name: str, **labels: str) -> float:
    page = service.get("/metrics").text
    samples = [each for family in text_string_to_metric_families(page) for each in family.samples]
    return sum(each.value for each in samples if each.name == name and labels.items() <= each.labels.items())


def test_metrics_add_up_whoever_is_asked_and_outlive_a_worker(bundles: Path, tmp_path: Path) -> None:
    with served(bundles, tmp_path / "log") as service:
        clients = [httpx.Client(base_url=service.url) for _ in range(4)]
        for client in clients:
            assert client.get("/symptoms").status_code == 200
        answered = "medidiagnose_requests_total"
        assert {figure(service, answered, route="/symptoms") for _ in range(4)} == {4}
        assert figure(service, "medidiagnose_request_seconds_count", route="/symptoms") == 4
        assert figure(service, "medidiagnose_workers") == 2
        assert figure(service, "medidiagnose_model_ready", model="skin") == 1
        assert figure(service, "medidiagnose_connections") == 5
        service.kill_a_worker()
        assert figure(service, answered, route="/symptoms") == 4
        for client in clients:
            client.close()


def test_ready_only_where_each_worker_is(bundles: Path, tmp_path: Path) -> None:
    with served(bundles, tmp_path / "log") as service, ExitStack() as stack:
        clients = [stack.enter_context(httpx.Client(base_url=service.url, timeout=PATIENCE)) for _ in range(2)]
        assert [client.get("/health/ready").status_code for client in clients] == [200, 200]
        hung = service.workers[0]
        hung.suspend()
        with ExitStack() as asking:
            waiting = [asking.enter_context(service.ask("/health/ready")) for _ in range(2)]
            until(lambda: any(each.has_answer() for each in waiting))
            (answer,) = (each.answer() for each in waiting if each.has_answer())
            assert (answer.status, answer.json()["status"]) == (503, "not ready")
            assert {each["detail"] for each in answer.json()["models"].values()} == {"A worker does not answer."}
            hung.resume()
        assert [client.get("/health/ready").status_code for client in clients] == [200, 200]


def test_a_reload_reaches_every_worker_and_the_next_ones(tmp_path: Path) -> None:
    bundles = tmp_path / "bundles"
    make_bundle(bundles, "skin")
    with served(bundles, tmp_path / "log", admin_key=KEY) as service:
        make_bundle(bundles, "skin", "1.1.0")
        answer = httpx.post(service.url + "/admin/reload", headers={"X-API-Key": KEY}, timeout=PATIENCE).json()
        assert answer["success"] is True
        outcome = {"outcome": "loaded", "old_version": "1.0.0", "version": "1.1.0", "reason": None}
        assert answer["models"]["skin"] == outcome
        assert _versions(service) == ["1.1.0", "1.1.0"]
        make_bundle(bundles, "skin", "1.2.0")
        service.kill_a_worker()
        until(lambda: (tmp_path / "log").read_text().count("Started server") == 3)
        assert _versions(service) == ["1.1.0", "1.1.0"]
        service.process.signal(signal.SIGHUP)
        until(lambda: _versions(service) == ["1.2.0", "1.2.0"])


def _versions(service: Service) -> list[str]:
    """What two connections find, which are those of two workers once both take some."""
    until(lambda: figure(service, "medidiagnose_model_state", model="skin", state="loading") == 0)
    with ExitStack() as stack:
        clients = [stack.enter_context(httpx.Client(base_url=service.url, timeout=PATIENCE)) for _ in range(2)]
        return [client.get("/models").json()["models"][0]["version"] for client in clients]


def test_a_client_has_one_rate_in_all_workers(bundles: Path, tmp_path: Path) -> None:
    with served(bundles, tmp_path / "log", rate_limit="5/hour") as service, ExitStack() as stack:
        clients = [stack.enter_context(httpx.Client(base_url=service.url)) for _ in range(2)]
        answers = [client.get("/symptoms").status_code for _ in range(4) for client in clients]
        assert sorted(answers) == [200] * 5 + [429] * 3


def test_each_worker_takes_its_share() -> None:
    share = share_of(Settings(threads=8, max_connections=1000, queue_size=128), 3)
    assert (share.threads, share.max_connections, share.queue_size) == (2, 333, 42)
    assert share.max_bodies_bytes == 128 * MEBIBYTE // 3
    assert share_of(Settings(threads=1), 4).threads == 1


def test_auto_goes_by_what_is_scarcest(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(workers="auto")
    for cores, memory, expected in (
        (2, 64, (2, "2 cores")),
        (4, 3, (3, "690 MiB of memory")),
        (4, 0, (1, "0 MiB of memory")),
    ):
        monkeypatch.setattr("app.workers.count.usable_cores", lambda cores=cores: cores)
        monkeypatch.setattr("app.workers.count.free_memory", lambda memory=memory: memory * WORKER_BYTES)
        assert workers_of(settings) == expected
    few = Settings(workers="auto", max_bodies_bytes=48 * MEBIBYTE)
    monkeypatch.setattr("app.workers.count.free_memory", lambda: 64 * WORKER_BYTES)
    assert workers_of(few) == (3, "room for 3 of the largest bodies")


def test_more_workers_than_bodies_have_room_are_refused() -> None:
    assert workers_of(Settings(workers=8)) == (8, "as set")
    with pytest.raises(SettingsError, match=r"^MEDIDIAGNOSE_WORKERS: .* or have 8 at most"):
        workers_of(Settings(workers=9))


def test_control_groups_count_wherever_the_limit_is(tmp_path: Path) -> None:
    own = tmp_path / "cgroup"
    own.write_text("0::/pod/service\n")
    inner = tmp_path / "pod/service"
    inner.mkdir(parents=True)
    (inner / "cpu.max").write_text("max 100000\n")
    (tmp_path / "pod/cpu.max").write_text("150000 100000\n")
    (inner / "memory.max").write_text("max\n")
    (tmp_path / "pod/memory.max").write_text(f"{500 * MEBIBYTE}\n")
    (tmp_path / "pod/memory.current").write_text(f"{100 * MEBIBYTE}\n")
    assert usable_cores(tmp_path, own) == 1
    assert free_memory(tmp_path, own) == 400 * MEBIBYTE
    assert usable_cores(tmp_path / "none", own) == len(os.sched_getaffinity(0))


def test_messages_arrive_whole_however_they_are_cut() -> None:
    sent = [Message(ASK, "ready", 7), Message(ANSWER, [{"a": 1.5}, None], 7), Message(b"+")]
    buffer, received = bytearray(), list[Any]()
    for byte in b"".join(each.packed() for each in sent):
        buffer.append(byte)
        received += taken_from(buffer)
    assert (received, buffer) == (sent, bytearray())


def test_figures_of_several_are_one_page() -> None:
    def worker(count: float, ready: float) -> Any:
        return [
            ("a", "Told.", "counter", [("a_total", {"route": "/x"}, count), ("a_created", {"route": "/x"}, count)]),
            ("medidiagnose_model_ready", "Told.", "gauge", [("medidiagnose_model_ready", {"model": "skin"}, ready)]),
        ]

    page = rendered(added([worker(2, 1), worker(3, 0)])).decode()
    assert 'a_total{route="/x"} 5.0' in page
    assert 'a_created{route="/x"} 2.0' in page
    assert 'medidiagnose_model_ready{model="skin"} 0.0' in page
    assert page.count("# TYPE medidiagnose_model_ready gauge") == 1
