"""How planted slowdowns are chosen for a pool, as far as it goes without a GPU."""

from types import SimpleNamespace

import pytest

pytest.importorskip("torch")
pytest.importorskip("triton")

from benchmarks.pool import PLANTED, UNCHANGED, nearest
from gate.sampling import Lost

ARMS = list(PLANTED["small"])


class Worker:
    """Each planted change is slower than the one before it by a percent; `lost` have no time."""

    def __init__(self, *lost):
        self.lost = lost

    def take(self, order):
        if order.arm in self.lost:
            return Lost(reason="process", message="it ended")
        slower = 1 + ARMS.index(order.arm) if order.arm != UNCHANGED else 0
        return SimpleNamespace(medians_ns={"forward": 100.0 + slower})


def test_what_slows_by_about_so_much_is_chosen():
    assert nearest(Worker(), "small", (0.031,)) == [ARMS[2]]


def test_a_change_without_a_time_is_not_chosen():
    assert nearest(Worker(ARMS[2]), "small", (0.032,)) == [ARMS[3]]


def test_without_a_time_of_the_kernel_all_changes_are_taken():
    assert nearest(Worker(UNCHANGED), "small", (0.03,)) == ARMS
