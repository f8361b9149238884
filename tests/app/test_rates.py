"""Rates: what can be written, how a bucket fills, and that no number of clients grows the memory."""

import os

import numpy as np
import pytest

from app.rates import Rate, RateLimiter, SharedRateLimiter, parse_rate


class Clock:
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("60/minute", Rate(60, 60, 60)),
        ("10/second", Rate(10, 1, 10)),
        (" 1 / Hour ", Rate(1, 3600, 1)),
        ("60/minute burst 10", Rate(60, 60, 10)),
        ("1/second burst 20", Rate(1, 1, 20)),
    ],
)
def test_a_rate_reads_as_it_is_written(text: str, rate: Rate) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "text",
    ["", "60", "/minute", "0/minute", "-1/second", "1.5/second", "60/day", "60/minute burst 0", "9999999/second"],
)
def test_any_other_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"write it like|must be 1 to"):
        parse_rate(text)


@pytest.mark.parametrize("rate", [Rate(60, 60, 60), Rate(10, 1, 3), Rate(7, 1, 7), Rate(1, 3600, 1), Rate(3, 1, 100)])
def test_a_burst_passes_then_as_many_as_the_rate_allows(rate: Rate) -> None:
    clock = Clock()
    limiter = RateLimiter(rate, clock=clock)
    assert [limiter.seconds_to_wait("a") for _ in range(rate.burst)] == [0] * rate.burst
    interval = rate.seconds / rate.requests
    assert limiter.seconds_to_wait("a") == pytest.approx(interval, rel=2e-3)
    for _ in range(50):
        clock.now += interval
        assert limiter.seconds_to_wait("a") == 0
        assert limiter.seconds_to_wait("a") > 0


def test_whoever_waits_as_long_as_told_passes_and_one_refused_loses_nothing() -> None:
    clock = Clock()
    limiter = RateLimiter(Rate(60, 60, 2), clock=clock)
    wait = next(found for _ in range(10) if (found := limiter.seconds_to_wait("a")))
    for _ in range(1000):
        assert limiter.seconds_to_wait("a") == wait
    clock.now += wait
    assert limiter.seconds_to_wait("a") == 0


def test_a_bucket_holds_no_more_than_its_burst_however_long_nobody_asks() -> None:
    clock = Clock()
    limiter = RateLimiter(Rate(10, 1, 5), clock=clock)
    limiter.seconds_to_wait("a")
    clock.now += 86_400
    passed = [limiter.seconds_to_wait("a") == 0 for _ in range(20)]
    assert passed == [True] * 5 + [False] * 15


def test_clients_have_buckets_of_their_own() -> None:
    limiter = RateLimiter(Rate(1, 3600, 1), clock=Clock())
    assert limiter.seconds_to_wait("a") == 0
    assert limiter.seconds_to_wait("b") == 0
    assert limiter.seconds_to_wait("a") > 0


def test_a_flood_of_clients_grows_nothing_and_frees_nobody_who_goes_on_asking() -> None:
    limiter = RateLimiter(Rate(1, 3600, 1), clock=Clock(), most_clients=100)
    limiter.seconds_to_wait("greedy")
    for number in range(10_000):
        limiter.seconds_to_wait(str(number))
        assert len(limiter) <= 100
        if number % 50 == 0:
            assert limiter.seconds_to_wait("greedy") > 0


def test_clients_whose_buckets_are_full_again_are_forgotten() -> None:
    clock = Clock()
    limiter = RateLimiter(Rate(1, 1, 1), clock=clock)
    for number in range(1000):
        limiter.seconds_to_wait(f"first {number}")
    clock.now += 2
    for number in range(501):
        limiter.seconds_to_wait(f"then {number}")
    assert len(limiter) == 501


@pytest.mark.parametrize("rate", [Rate(60, 60, 60), Rate(10, 1, 3), Rate(1, 3600, 1), Rate(3, 1, 100)])
def test_a_shared_bucket_fills_as_one_of_its_own(rate: Rate) -> None:
    clock, drawn = Clock(), np.random.default_rng(7)
    own, shared = RateLimiter(rate, clock=clock), SharedRateLimiter(rate, clock=clock, sets=64)
    for _ in range(2000):
        client = str(drawn.integers(3))
        assert shared.seconds_to_wait(client) == pytest.approx(own.seconds_to_wait(client))
        clock.now += drawn.exponential(rate.seconds / rate.requests / 4)


def test_processes_take_from_the_same_buckets() -> None:
    limiter = SharedRateLimiter(Rate(1, 3600, 6))
    children = []
    for _ in range(3):
        if not (child := os.fork()):
            os._exit(sum(limiter.seconds_to_wait("a") == 0 for _ in range(4)))
        children.append(child)
    passed = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert sum(passed) == 6


def test_a_full_set_of_the_shared_table_forgets_whoever_was_quiet_for_longest() -> None:
    clock = Clock()
    limiter = SharedRateLimiter(Rate(1, 3600, 1), clock=clock, sets=1)
    for number in range(9):
        assert limiter.seconds_to_wait(str(number)) == 0
        clock.now += 1
    assert limiter.seconds_to_wait("8") > 0
    assert limiter.seconds_to_wait("0") == 0
