import pytest
from ncu_fakes import LOGS, NAMES

from gate.ncu_failures import counter_mend, recognise, with_last_words

REASONS = {
    "counter_permission": "counter_permission",
    "profiler_busy": "profiler_busy",
    "lock_failed": "lock_failed",
    "lock_failed_by_name": "lock_failed",
    "metric_unknown": "metric_unknown",
    "metric_unknown_base": "metric_unknown",
    "metric_unknown_required": "metric_unknown",
    "library_not_loaded": "library_not_loaded",
    "library_not_loaded_stub": "library_not_loaded",
    "gpu_unsupported": "gpu_unsupported",
    "worker_failed": "worker_failed",
    "no_kernels_profiled": "no_kernels_profiled",
}
MENDS = {
    "counter_permission": "options nvidia NVreg_RestrictProfilingToAdminUsers=0",
    "profiler_busy": "dcgmi profile --pause",
    "lock_failed": "export TMPDIR=",
    "metric_unknown": "ncu --query-metrics --chips ad102",
    "library_not_loaded": "Upgrade ncu",
    "gpu_unsupported": "ncu --list-chips",
}


def recorded(name):
    return (LOGS / f"{name}.log").read_text()


@pytest.mark.parametrize(("log", "reason"), REASONS.items())
def test_each_recorded_log_is_recognised(log, reason):
    failure = recognise(recorded(log), asked_for=NAMES)
    assert failure.reason == reason
    assert MENDS.get(reason, "") in failure.mend


def test_every_recorded_log_is_of_a_failure_that_is_tested():
    others = {"profiled", "ncu_unknown_failure", "ncu_unknown_failure_in_a_launch"}
    published = {file.stem for file in LOGS.glob("*.log")}
    assert published - others == REASONS.keys()


@pytest.mark.parametrize("log", ["profiled", "ncu_unknown_failure"])
def test_what_is_not_in_the_table_is_not_guessed(log):
    assert recognise(recorded(log)) is None


@pytest.mark.parametrize(
    ("log", "metrics"),
    [
        ("metric_unknown", ("lts__t_bytes.sum",)),
        ("metric_unknown_base", ("lts__t_bytes.sum",)),
        (
            "metric_unknown_required",
            ("dram__throughput.avg.pct_of_peak_sustained_elapsed",),
        ),
    ],
)
def test_the_unknown_metric_is_named(log, metrics):
    failure = recognise(recorded(log), asked_for=NAMES)
    assert failure.metrics == metrics
    assert metrics[0].partition(".")[0] in failure.message


def test_a_metric_that_was_not_asked_for_is_still_quoted():
    failure = recognise("==ERROR== Failed to find metric bogus__x.sum\n", asked_for=NAMES)
    assert failure.metrics == ()
    assert "bogus__x.sum" in failure.message


@pytest.mark.parametrize(
    ("driver", "said", "unsaid"),
    [
        ("580.159.04", "--cap-add PERFMON", "CAP_SYS_ADMIN"),
        ("565.57.01", "--cap-add PERFMON", "CAP_SYS_ADMIN"),
        ("550.54", "upgrade to R565", "--cap-add SYS_ADMIN"),
        (None, "CAP_SYS_ADMIN before", "--cap-add SYS_ADMIN"),
    ],
)
def test_a_container_is_told_the_capability_that_its_driver_knows(driver, said, unsaid):
    mend = counter_mend(driver)
    assert said in mend
    assert unsaid not in mend
    assert "Never `sudo ncu`" in mend
    failure = recognise(recorded("counter_permission"), driver=driver)
    assert failure.mend == mend


def test_last_words_are_the_last_ones_and_bounded():
    failure = recognise(recorded("worker_failed"))
    assert with_last_words(failure, "x" * 10_000 + "ValueError: no").message.endswith(": no")
    assert len(with_last_words(failure, "x" * 10_000).message) < 2100
    assert "nothing was said" in with_last_words(failure, "\n").message
