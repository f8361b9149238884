"""The simulation of queues agrees with what is known of them."""

import numpy as np
import pytest

from benchmarks.planning import Cost, Fleet, arrivals, busiest, highest_rate, through, waits

SKIN = Cost("skin", 0.002, 0.008, 0.002, 40_000, 0.1)


def test_one_server_works_off_what_came_first() -> None:
    left = through(np.array([0.0, 1.0, 1.5, 9.0]), np.array([2.0, 1.0, 1.0, 1.0]), 1)
    assert left.tolist() == [2.0, 3.0, 4.0, 10.0]


def test_two_servers_share_what_comes() -> None:
    left = through(np.array([0.0, 0.0, 0.0, 9.0]), np.array([2.0, 3.0, 1.0, 1.0]), 2)
    assert left.tolist() == [2.0, 3.0, 3.0, 10.0]


@pytest.mark.parametrize("servers", [1, 2])
def test_the_mean_wait_is_that_of_the_formula(servers: int) -> None:
    """Erlang's, of exponential times at 70 % of what the servers can do."""
    random, count = np.random.default_rng(3), 400_000
    came = arrivals(0.7 * servers, count, random)
    took = random.exponential(1.0, count)
    waited = float(np.mean(through(came, took, servers) - came - took))
    assert waited == pytest.approx({1: 0.7 / 0.3, 2: 0.49 / 0.51}[servers], rel=0.05)


def _rounded(limit: tuple[str, float]) -> tuple[str, int]:
    return limit[0], round(limit[1])


def test_what_is_full_first_is_found() -> None:
    assert _rounded(busiest(SKIN, Fleet(1, 2))) == ("cores", 167)
    assert _rounded(busiest(SKIN, Fleet(1, 8))) == ("interpreter", 500)
    assert _rounded(busiest(SKIN, Fleet(64, 2))) == ("card", 3125)


def test_the_rate_that_can_be_used_is_below_what_is_possible_and_repeats() -> None:
    used = highest_rate(SKIN, Fleet(1, 2), 2_000)
    assert 80 < used < 167
    assert used == highest_rate(SKIN, Fleet(1, 2), 2_000)
    assert float(np.median(waits(SKIN, Fleet(1, 2), 20, 2_000))) == pytest.approx(0.012, rel=0.2)
