"""Small, valid values that a test changes in one place."""

from __future__ import annotations

from dataclasses import replace

from gate.anchors import steps_from
from gate.model import (
    DRAM_THROUGHPUT,
    GATED_METRICS,
    RUNTIME,
    SCHEMA_VERSION,
    SM_THROUGHPUT,
    STEPS,
    BaselineInfo,
    Canary,
    Contract,
    Correctness,
    Environment,
    Gpu,
    Measurement,
    NotMeasured,
    Profile,
    Result,
    SampleSummary,
    Scope,
    Static,
    StaticLaunch,
    Timing,
    Toolchain,
)

H100 = Gpu(
    name="NVIDIA H100 80GB HBM3",
    uuid="GPU-00000000-0000-0000-0000-000000000000",
    compute_capability="9.0",
    sm_count=132,
    l2_bytes=52_428_800,
    memory_bytes=85_520_809_984,
)
TOOLCHAIN = Toolchain(
    python="3.12.3", torch="2.11.0", triton="3.6.0", cuda="13.0", driver="580.1", ncu="2025.3.1.0"
)
CANARY = Canary(copy_ns=(180_000.0, 180_100.0, 179_900.0), compute_ns=(70_000.0,) * 3)
MEDIANS = (356_500.0, 356_600.0, 356_400.0, 356_550.0, 356_450.0)
FUNCTION = "conv_kernel"
METRICS = {
    SM_THROUGHPUT: 31.1,
    DRAM_THROUGHPUT: 89.8,
    "launch__grid_size": 130_560,
    "sm__warps_active.avg.pct_of_peak_sustained_active": 85.0,
    "lts__t_sector_hit_rate.pct": 55.6,
    "gpu__time_duration.sum": 348_000.0,
    "smsp__inst_executed.sum": 40_000_000.0,
    "dram__bytes_read.sum": 536_000_000.0,
    "dram__bytes_write.sum": 535_000_000.0,
}
NO_GPU = NotMeasured(status="not_run", reason="no_gpu", message="this machine has no GPU")
TEST_ONLY = NotMeasured(status="not_run", reason="test_only", message="it is tested only")


def samples(median_ns):
    return SampleSummary(
        count=20,
        min_ns=median_ns * 0.998,
        q1_ns=median_ns * 0.999,
        median_ns=median_ns,
        q3_ns=median_ns * 1.001,
        max_ns=median_ns * 1.01,
        sm_clock_mhz=1980,
    )


def timing(medians=MEDIANS, method="cuda_graph"):
    return Timing(
        method=method,
        process_medians_ns=tuple(medians),
        samples=tuple(map(samples, medians)),
        batch=50,
        l2_flush_bytes=52_428_800,
    )


def spread_of(metrics, share=0.001):
    return {metric: (v * (1 - share), v * (1 + share)) for metric, v in metrics.items()}


def profile(*functions, spread=0.001, launches=None, metrics=METRICS):
    names = functions or (FUNCTION,)
    return Profile(
        processes=2,
        forwards=12,
        launches=launches or dict.fromkeys(names, 1),
        spread={name: spread_of(metrics, spread) for name in names},
        deviation={name: dict.fromkeys(GATED_METRICS[1:], spread) for name in names},
        clock_control="none",
        cache_control="all",
        replay_mode="kernel",
    )


def launch(**changes):
    base = StaticLaunch(
        function=FUNCTION,
        grid=(512, 255, 1),
        grid_size=130_560,
        threads=256,
        registers=40,
        stack_bytes=0,
        local_bytes=0,
        shared_bytes=0,
        instructions=200,
        widest_global_load_bits=128,
        widest_global_store_bits=128,
        theoretical_occupancy_pct=100.0,
        occupancy_limit="warps",
    )
    return replace(base, **changes)


def static(target="sm_90", **changes):
    return Static(target=target, launches=(launch(**changes),))


def result(kernel="conv", workload="flagship", **changes):
    base = Result(
        kernel=kernel,
        workload=workload,
        definition="d" * 64,
        signature=("float32[64, 8, 512, 512]", "8", "3"),
        gates=GATED_METRICS,
        contract=Contract(status="passed"),
        correctness=Correctness(status="passed", backend="cuda", seed=1, max_abs_error=1e-7),
        static=static(),
        timing=timing(),
        ncu={FUNCTION: dict(METRICS)},
        profile=profile(),
    )
    return replace(base, **changes)


def static_result(kernel="conv", workload="flagship", **changes):
    """What a machine without a GPU makes of the same workload."""
    base = result(
        kernel,
        workload,
        correctness=Correctness(status="passed", backend="interpreter", seed=1),
        static=static("sm_89"),
        timing=NO_GPU,
        ncu=NO_GPU,
        profile=None,
    )
    return replace(base, **changes)


def environment(gpu=H100, toolchain=TOOLCHAIN, canary=CANARY):
    return Environment(
        date="2026-11-22T08:00:00Z",
        platform="Linux-6.1-x86_64",
        gate="0.1.0",
        gpu=gpu,
        toolchain=toolchain,
        canary=canary if gpu else None,
    )


def measurement(*results, gpu=H100, kernels=None, toolchain=TOOLCHAIN):
    results = results or (result(),)
    names = kernels or tuple(dict.fromkeys(r.kernel for r in results))
    steps = STEPS if gpu else STEPS[:3]
    return Measurement(
        schema_version=SCHEMA_VERSION,
        scope=Scope(kernels=tuple(names), steps=steps),
        environment=environment(gpu, toolchain),
        results=tuple(results),
    )


def baseline(*results, **how):
    info = BaselineInfo(
        commit="a" * 40,
        date="2026-11-22T08:00:00Z",
        reason="first baseline",
        kernel_sha256="b" * 64,
        anchors={},
    )
    return replace(measurement(*results, **how), baseline=info)


def refreshed(document, before=None, **changes):
    """`document` as a baseline of one kernel that replaces `before`."""
    info = BaselineInfo(
        commit="e" * 40,
        date="2026-11-22T09:00:00Z",
        reason="bounds are checked now",
        kernel_sha256="b" * 64,
        anchors={},
    )
    info = replace(info, **changes)
    steps = steps_from(before, document, info)
    anchors = {workload: {RUNTIME: step.anchor(0.1)} for workload, step in steps.items()}
    return replace(
        document,
        sources=dict.fromkeys(document.sources, info.kernel_sha256),
        baseline=replace(info, anchors=anchors),
    )
