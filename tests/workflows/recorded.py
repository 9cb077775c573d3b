"""What the stand-in for a card finds of kernel files: an H100's figures under its own name."""

import shutil
from dataclasses import replace

from gate.baselines import Baselines
from gate.documents import load_measurement
from gate.model import BaseTiming, Correctness, NotMeasured, Timing
from tests.factories import refreshed
from tests.workflows.acting import KERNEL, ROOT

CARD = "nvidia-geforce-rtx-4090"
H100 = load_measurement(ROOT / "tests" / "data" / "h100" / "measurement.json")
AS_BEFORE = replace(
    H100,
    environment=replace(
        H100.environment, gpu=replace(H100.environment.gpu, name="NVIDIA GeForce RTX 4090")
    ),
)
INCORRECT = NotMeasured(status="not_run", reason="incorrect", message="the kernel is not correct")


def slower(factor, document=AS_BEFORE):
    return replace(document, results=tuple(delayed(r, factor) for r in document.results))


def delayed(result, factor):
    timing = result.timing
    if not isinstance(timing, Timing):
        return result
    points = ("min_ns", "q1_ns", "median_ns", "q3_ns", "max_ns")
    timing = replace(
        timing,
        process_medians_ns=tuple(ns * factor for ns in timing.process_medians_ns),
        samples=tuple(
            replace(one, **{point: getattr(one, point) * factor for point in points})
            for one in timing.samples
        ),
    )
    return replace(result, timing=timing)


def wrong():
    first, *others = AS_BEFORE.results
    failed = Correctness(status="failed", backend="cuda", seed=1, message="1 of 9 elements is off")
    return replace(
        AS_BEFORE,
        results=(
            replace(first, correctness=failed, timing=INCORRECT, ncu=INCORRECT, profile=None),
            *others,
        ),
    )


def under_new_tools():
    """Unchanged code, timed in turn with itself, after an upgrade of the compiler."""
    tools = replace(AS_BEFORE.environment.toolchain, triton="99.0")
    return replace(
        AS_BEFORE.under(tools), results=tuple(map(in_turn_with_itself, AS_BEFORE.results))
    )


def in_turn_with_itself(result):
    timing = result.timing
    if not isinstance(timing, Timing):
        return result
    medians = {f"{arm}_medians_ns": timing.process_medians_ns for arm in ("process", "candidate")}
    base = BaseTiming(commit="b" * 40, kernel_sha256="b" * 64, **medians)
    return replace(result, timing=replace(timing, base=base))


SOURCE = (ROOT / KERNEL).read_text()
# What the card finds of the kernel files that the changes here bring.
RECORDED = {
    SOURCE: AS_BEFORE,
    f"{SOURCE}# rewritten\n": AS_BEFORE,
    f"{SOURCE}# slower\n": slower(1.05),
    f"{SOURCE}# wrong\n": wrong(),
    f"{SOURCE}# after an upgrade\n": under_new_tools(),
}
_, SAME, SLOWER, WRONG, UPGRADED = RECORDED
TRUSTED = refreshed(AS_BEFORE)


SECOND = "second"


def with_a_second_kernel(tree):
    """The first one once more, under another name, each with its baseline."""
    shutil.copytree((tree / KERNEL).parent, tree / "kernels" / SECOND)
    stored_in(tree, TRUSTED)
    results = tuple(replace(result, kernel=SECOND) for result in TRUSTED.results)
    scope = replace(TRUSTED.scope, kernels=(SECOND,))
    stored_in(tree, replace(TRUSTED, scope=scope, results=results))


def stored_in(tree, baseline):
    Baselines(tree / "baselines" / CARD, "sm_89").write(baseline)


def kernel(text):
    return lambda tree: (tree / KERNEL).write_text(text)
