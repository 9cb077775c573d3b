"""Other projects' rules on data whose answer is known, and the tables drawn from made-up pools."""

import gzip
import json
from functools import partial

import numpy as np
import pytest

from benchmarks import judge_pool, rules
from benchmarks.judge_pool import OURS, Case, Hand, Process, cases_of, load, report, wilson

SAMPLES = 40
FIVE_PERCENT = partial(rules.fixed_threshold, threshold=0.05)


def samples(change=0.0, *, noise=0.002, seed=1):
    draw = np.random.default_rng(seed)
    return [tuple(1e5 * (1 + change) * np.exp(noise * draw.standard_normal(SAMPLES)))]


@pytest.mark.parametrize(
    ("rule", "change", "noise", "said"),
    [
        (FIVE_PERCENT, 0.06, 0.002, "slower"),
        (FIVE_PERCENT, 0.04, 0.002, "not slower"),
        (rules.nvbench_compare, 0.004, 0.002, "slower"),
        (rules.nvbench_compare, 0.004, 0.01, "not slower"),
        (rules.nvbench_compare, 0.004, 0.0, "undecided"),
        (rules.nvbench_compare, -0.1, 0.002, "not slower"),
        (rules.nvbench_compare_robust, 0.02, 0.002, "slower"),
        (rules.nvbench_compare_robust, -0.02, 0.002, "not slower"),
        (rules.nvbench_compare_robust, 0.0, 0.002, "not slower"),
        (rules.nvbench_compare_robust, 0.0, 0.03, "undecided"),
        (rules.nvbench_compare_robust, 0.008, 0.01, "undecided"),
        (rules.asv_continuous, 0.12, 0.002, "slower"),
        (rules.asv_continuous, 0.08, 0.002, "not slower"),
        (rules.asv_continuous, 0.12, 0.5, "not slower"),
        (rules.mann_whitney, 0.003, 0.002, "slower"),
        (rules.mann_whitney, -0.003, 0.002, "not slower"),
        (rules.mann_whitney, 0.0, 0.002, "not slower"),
        (rules.criterion, 0.02, 0.002, "slower"),
        (rules.criterion, 0.005, 0.002, "not slower"),
        (rules.criterion, 0.02, 0.2, "not slower"),
        (rules.criterion, -0.02, 0.002, "not slower"),
    ],
)
def test_a_rule_says_what_its_project_would(rule, change, noise, said):
    assert rule(samples(noise=noise), samples(change, noise=noise, seed=2)) == said


def test_mann_whitney_is_the_textbook_one():
    one, other = np.arange(10.0), np.arange(10.0) + 4.5
    larger = sum(y > x for x in one for y in other)
    z = (larger - 50) / np.sqrt(100 * 21 / 12)
    assert larger == 85
    assert rules.mann_whitney_p(one, other) == pytest.approx(0.00815, abs=1e-5)
    assert z == pytest.approx(2.6458, abs=1e-4)
    assert rules.mann_whitney_p(one, one) == 1.0


def test_a_bootstrap_under_no_change_finds_its_level():
    draw = np.random.default_rng(3)
    found = [
        rules.bootstrapped_p(*draw.standard_normal((2, 30)), np.random.default_rng(4)) < 0.05
        for _ in range(200)
    ]
    assert 0.01 < np.mean(found) < 0.12


def test_wilsons_interval_is_the_published_one():
    assert wilson(0, 300) == (0.0, pytest.approx(0.01264, abs=1e-5))
    assert wilson(15, 50) == (pytest.approx(0.1910, abs=1e-4), pytest.approx(0.4375, abs=1e-4))


# ------------------------------------------------------------------------------- the pools


def pool(*, luck=0.001, machines=(("one", "H100", 0.0), ("two", "H100", 0.0)), arms=("A", "+5%")):
    """Processes with luck of their own; within one, samples spread by 0.05 %."""
    draw = np.random.default_rng(5)
    return [
        process(draw, luck, machine, gpu, moved, arm)
        for machine, gpu, moved in machines
        for arm in arms
        for _ in range(90 if arm == "A" else 40)
    ]


def process(draw, luck, machine, gpu, moved, arm):
    change = 0.0 if arm == "A" else float(arm.strip("+%")) / 100
    centre = 5e4 * (1 + change) * np.exp(moved + luck * draw.standard_normal())
    drawn = centre * np.exp(0.0005 * draw.standard_normal(10))
    return Process(
        size="medium",
        arm=arm,
        machine=machine,
        gpu=gpu,
        samples_ns=tuple(map(float, drawn)),
        median_ns=float(np.median(drawn)),
    )


def tallies(processes, verdicts=40):
    return judge_pool.tallies(processes, verdicts=verdicts, floor=0.01, seed=6)


def test_cases_are_within_machines_and_between_those_of_one_kind():
    machines = (("one", "H100", 0.0), ("two", "H100", 0.0), ("other", "H200", 0.0))
    found = cases_of(pool(machines=machines))
    across = {(c.stored_on, c.measured_on) for c in found if c.stored_on != c.measured_on}
    assert across == {("one", "two"), ("two", "one")}
    assert Case("other", "other", "+5%") in found
    assert len(found) == 3 + 2 + 3


def test_a_machine_may_name_its_gpu_itself():
    machines = (("H200 #1", "", 0.0), ("H200 #2", "", 0.0), ("H100 #1", "", 0.0))
    found = cases_of(pool(machines=machines, arms=("A",)))
    across = {(c.stored_on, c.measured_on) for c in found if c.stored_on != c.measured_on}
    assert across == {("H200 #1", "H200 #2"), ("H200 #2", "H200 #1")}


def test_no_process_is_dealt_twice():
    hand = Hand({("one", "A"): pool(arms=("A",))[:90]}, np.random.default_rng(7))
    dealt = hand.deal("one", "A", 50) + hand.deal("one", "A", 40)
    assert len(set(map(id, dealt))) == 90
    with pytest.raises(LookupError, match="one, A has too few"):
        hand.deal("one", "A", 1)


def test_processes_with_luck_of_their_own_fool_pooled_samples_and_not_the_gate():
    found = tallies(pool(luck=0.004))
    for case in cases_of(pool()):
        ours = found[OURS, case]
        assert ours.said["slower"] == (40 if case.arm == "+5%" else 0)
        assert ours.said["not slower"] >= (0 if case.arm == "+5%" else 39)
    same = [c for c in cases_of(pool()) if c.arm == "A"]
    fooled = sum(found["Mann-Whitney 5 %, five pooled", c].said["slower"] for c in same)
    assert fooled / (40 * len(same)) > 0.1


def test_another_machine_is_slower_by_itself_and_no_kernel_is_blamed():
    found = tallies(pool(machines=(("one", "H100", 0.0), ("two", "H100", 0.06)), arms=("A",)), 20)
    moved = Case("one", "two", "A")
    assert found[OURS, moved].said == {"machine moved": 20}
    assert found["one run, 5 %", moved].said == {"slower": 20}
    assert min(found[OURS, moved].processes) >= 9  # a look, and the two arms measured in turn


def test_a_small_pool_ends_the_looks_early():
    few = [p for p in pool(luck=0.008, arms=("A",)) if p.machine == "one"][:26]
    assert max(tallies(few)[OURS, Case("one", "one", "A")].processes) <= 6
    assert tallies(few[:22]) == {}  # too few for a stored baseline and a first look


def test_the_report_is_a_table_a_size_and_one_of_the_pools(tmp_path):
    file = tmp_path / "pool.jsonl.gz"
    lines = [json.dumps({**vars(p), "samples_ns": list(p.samples_ns), "at": 1}) for p in pool()]
    file.write_bytes(gzip.compress("\n".join(lines).encode()))
    text = report(load([file]), verdicts=5, floor=0.01, seed=8)
    assert "### medium" in text
    assert "| this gate | 0.0 % [0.0, 27.8] | 0.0 % [0.0, 27.8] |" in text
    assert "| +5% missed | +5% undecided | processes | samples |" in text
    assert "| medium | one | +5% | 40 | 52.5" in text
    for rule in rules.RIVALS:
        assert f"| {rule.name} |" in text
