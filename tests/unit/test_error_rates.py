"""How often the rule errs: whole sessions simulated, verdicts by the functions that judge for real.

Noise has the named deviation between fresh processes whatever its shape. Every simulation is
seeded; none of N sessions means a rate below 3 / N at 95 %.
"""

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from gate.compare import status_of
from gate.model import RUNTIME, BaseTiming, Status
from gate.runtime import compare_in_turn, compare_with_stored, judge_runtime
from gate.sequential import CALIBRATION, ERROR, LOOKS, next_look
from tests.factories import result, timing

SESSIONS = 1000
DEVIATIONS = (0.0001, 0.001, 0.005, 0.008)
FLOOR = 0.01
MOST = LOOKS[-1]
# A second mode: one process of five is slower by four deviations of the first.
SLOWER_SHARE, SLOWER_BY = 0.2, 4.0
BIMODAL = math.sqrt(1 + SLOWER_SHARE * (1 - SLOWER_SHARE) * SLOWER_BY**2)

SHAPES = {
    "normal": lambda draw, size: draw.standard_normal(size),
    "heavy tails": lambda draw, size: draw.standard_t(3, size) / math.sqrt(3),
    "two modes": lambda draw, size: (
        (draw.standard_normal(size) + SLOWER_BY * (draw.random(size) < SLOWER_SHARE)) / BIMODAL
    ),
}
# What the machine does on its own in each slot of a session, in relative units.
DRIFTS = {
    "trend": lambda draw, slots, _deviation: np.linspace(0, draw.choice((-0.04, 0.04)), slots),
    "walk": lambda draw, slots, deviation: np.cumsum(draw.normal(0, deviation, slots)),
    "walk in steps": lambda draw, slots, _deviation: np.cumsum(
        draw.normal(0, 0.01, slots) * (draw.random(slots) < 0.1)
    ),
}


def look_by_look(compare):
    """What `compare` of the first n processes says, and at which n, as the gate takes its looks."""
    look = next_look(0)
    while True:
        status = status_of(RUNTIME, compare(look))
        following = next_look(look)
        if status is not Status.INCONCLUSIVE or following is None:
            return status, look
        look = following


def times(logarithms):
    return np.exp(logarithms).tolist()


def rates(shape, deviation, *, change=0.0, floor=FLOOR, shift=0.0, at_tolerance=None):
    """The share of each status over sessions of stored and candidate processes.

    `shift` is the deviation of what one session differs from another, in process deviations;
    `at_tolerance` makes the true change that multiple of each baseline's own tolerance.
    """
    draw = np.random.default_rng(20261122)
    found = Counter()
    for _ in range(SESSIONS):
        stored = times(deviation * SHAPES[shape](draw, CALIBRATION))
        if at_tolerance is not None:
            change = at_tolerance * compare_with_stored(stored, stored, floor=floor).tolerance
        moved = math.log1p(change) + shift * deviation * draw.standard_normal()
        ours = times(moved + deviation * SHAPES[shape](draw, MOST))
        status, _ = look_by_look(lambda n: compare_with_stored(stored, ours[:n], floor=floor))  # noqa: B023
        found[status] += 1
    return {status: found[status] / SESSIONS for status in Status}


def in_turn_rates(shape, deviation, *, change=0.0, drift=None):
    """The same for two revisions measured in turn, each pair in random order."""
    draw = np.random.default_rng(20261123)
    found = Counter()
    for _ in range(SESSIONS):
        stored = times(deviation * SHAPES[shape](draw, CALIBRATION))
        like = compare_with_stored(stored, stored, floor=FLOOR)
        true = like.tolerance if change == "tolerance" else change
        ours, base = in_turn(draw, shape, deviation, true, drift_of(draw, drift, 2 * MOST))
        status, _ = look_by_look(lambda n: compare_in_turn(base[:n], ours[:n], like=like))  # noqa: B023
        found[status] += 1
    return {status: found[status] / SESSIONS for status in Status}


def drift_of(draw, drift, slots, deviation=0.002):
    return DRIFTS[drift](draw, slots, deviation) if drift else np.zeros(slots)


def in_turn(draw, shape, deviation, change, machine):
    """Candidate's and base's times in the slots of `machine`, two a pair, order at random."""
    slots = np.arange(len(machine)).reshape(-1, 2)
    slots = draw.permuted(slots, axis=1)
    noise = machine + deviation * SHAPES[shape](draw, len(machine))
    return times(math.log1p(change) + noise[slots[:, 0]]), times(noise[slots[:, 1]])


def session(draw, shape, deviation, *, drift=None, shift=0.0, change=0.0):
    """A whole session up to the finding: looks against the stored figures, then a base arm."""
    stored = times(deviation * SHAPES[shape](draw, CALIBRATION))
    machine = drift_of(draw, drift, 3 * MOST) + shift * deviation * draw.standard_normal()
    ours = times(math.log1p(change) + machine[:MOST] + deviation * SHAPES[shape](draw, MOST))
    against = lambda n: compare_with_stored(stored, ours[:n], floor=FLOOR)  # noqa: E731
    status, look = look_by_look(against)
    measured = timing(ours[:look])
    if status in (Status.REGRESSED, Status.INCONCLUSIVE):
        arms = in_turn(draw, shape, deviation, change, machine[MOST:])
        like = against(look)
        _, pairs = look_by_look(lambda n: compare_in_turn(arms[1][:n], arms[0][:n], like=like))
        measured = replace(measured, base=base_timing(*(arm[:pairs] for arm in arms)))
    return judge_runtime(result(timing=timing(stored)), result(timing=measured), floor=FLOOR)


def base_timing(ours, base):
    return BaseTiming(
        commit="a" * 40,
        kernel_sha256="b" * 64,
        process_medians_ns=tuple(base),
        candidate_medians_ns=tuple(ours),
    )


# ----------------------------------------------------------------------- nothing changed


@pytest.mark.parametrize("deviation", DEVIATIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_same_kernel_is_never_slower_and_rarely_undecided(shape, deviation):
    found = rates(shape, deviation)
    assert found[Status.REGRESSED] == 0
    assert found[Status.INCONCLUSIVE] <= 0.01


@pytest.mark.parametrize("deviation", DEVIATIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_sessions_that_differ_by_a_third_of_a_deviation_change_little(shape, deviation):
    found = rates(shape, deviation, shift=0.3)
    assert found[Status.REGRESSED] <= 0.002
    assert found[Status.INCONCLUSIVE] <= 0.015


@pytest.mark.parametrize("deviation", DEVIATIONS)
@pytest.mark.parametrize("drift", DRIFTS)
def test_a_machine_that_drifts_blames_nobody(drift, deviation):
    draw = np.random.default_rng(1)
    found = Counter(
        session(draw, "normal", deviation, drift=drift).status for _ in range(SESSIONS // 5)
    )
    assert found[Status.REGRESSED] == 0


@pytest.mark.parametrize("shape", SHAPES)
def test_with_a_base_arm_the_same_kernel_is_all_but_always_decided(shape):
    draw = np.random.default_rng(2)
    found = Counter(session(draw, shape, 0.008, shift=0.3).status for _ in range(SESSIONS))
    green = found[Status.UNCHANGED] + found[Status.IMPROVED]
    assert found[Status.REGRESSED] == 0
    assert green >= 0.995 * SESSIONS


# ---------------------------------------------------------------------- at the boundary


@pytest.mark.parametrize("shift", [0.0, 0.3])
@pytest.mark.parametrize("deviation", [0.001, 0.008])
@pytest.mark.parametrize("shape", SHAPES)
def test_all_looks_together_err_as_often_as_they_may(shape, deviation, shift):
    found = rates(shape, deviation, at_tolerance=1.0, shift=shift)
    assert found[Status.REGRESSED] <= ERROR
    assert found[Status.UNCHANGED] + found[Status.IMPROVED] <= ERROR


@pytest.mark.parametrize("drift", [None, *DRIFTS])
@pytest.mark.parametrize("shape", SHAPES)
def test_in_turn_too_and_whatever_the_machine_does_meanwhile(shape, drift):
    found = in_turn_rates(shape, 0.005, change="tolerance", drift=drift)
    assert found[Status.REGRESSED] <= ERROR
    assert found[Status.UNCHANGED] + found[Status.IMPROVED] <= ERROR


# ---------------------------------------------------------------------------- it is slower

CAUGHT = [
    (0.0002, 0.02, 0.01),
    (0.001, 0.02, 0.01),
    (0.0002, 0.01, 0.005),
    (0.001, 0.01, 0.005),
    (0.005, 0.05, 0.01),
    (0.008, 0.05, 0.01),
]


@pytest.mark.parametrize(("deviation", "change", "floor"), CAUGHT)
def test_what_is_slower_is_called_so(deviation, change, floor):
    assert rates("normal", deviation, change=change, floor=floor)[Status.REGRESSED] >= 0.99


@pytest.mark.parametrize(("deviation", "change", "floor"), CAUGHT)
@pytest.mark.parametrize("shape", ["heavy tails", "two modes"])
def test_under_wilder_noise_it_may_stay_undecided_but_does_not_pass(
    shape, deviation, change, floor
):
    found = rates(shape, deviation, change=change, floor=floor, shift=0.3)
    assert found[Status.REGRESSED] >= 0.90
    assert found[Status.UNCHANGED] + found[Status.IMPROVED] <= 0.001
