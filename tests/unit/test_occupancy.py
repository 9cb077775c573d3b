import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.gpus.architectures import ARCHITECTURES, architecture_for
from gate.occupancy import (
    REGISTERED_THREADS,
    REGISTERS,
    SHARED_BYTES,
    THREADS,
    ExceededLimit,
    exceeded_limits,
    max_threads_per_block,
    occupancy,
)

ADA = architecture_for("sm_89")
HOPPER = architecture_for("sm_90")
RECORDED = Path(__file__).parents[1] / "data" / "cuda_occupancy.csv"

THREADS_IN_A_BLOCK = st.integers(1, 1024)
REGISTERS_OF_A_THREAD = st.integers(1, 255)


def recorded_rows():
    with RECORDED.open() as stream:
        rows = list(csv.DictReader(line for line in stream if not line.startswith("#")))
    assert len(rows) == 700
    return rows


def test_occupancy_is_what_nvidias_own_header_computes():
    known = {architecture.compute_capability: architecture for architecture in ARCHITECTURES}
    rows = recorded_rows()
    assert {row["compute_capability"] for row in rows} == known.keys()
    for row in rows:
        resident = occupancy(
            known[row["compute_capability"]],
            threads=int(row["threads"]),
            registers=int(row["registers"]),
            shared_bytes=int(row["shared_bytes"]),
        )
        assert resident.blocks_per_sm == int(row["blocks_per_sm"]), row


@pytest.mark.parametrize(
    ("table", "launch", "expected"),
    [
        # The seed's kernel: cuobjdump says 34 registers.
        pytest.param(ADA, (128, 34, 0), (12, 100.0, "warps, registers"), id="seed"),
        pytest.param(ADA, (128, 18, 0), (12, 100.0, "warps"), id="full of warps"),
        pytest.param(ADA, (32, 16, 0), (24, 50.0, "blocks"), id="tiny blocks"),
        pytest.param(HOPPER, (32, 16, 0), (32, 50.0, "blocks"), id="tiny blocks on Hopper"),
        pytest.param(ADA, (256, 66, 0), (3, 50.0, "registers"), id="registers"),
        pytest.param(ADA, (128, 255, 0), (2, 16.67, "registers"), id="all the registers"),
        pytest.param(ADA, (128, 32, 16_384), (5, 41.67, "shared_mem"), id="shared memory"),
        pytest.param(ADA, (128, 32, 101_376), (1, 8.33, "shared_mem"), id="all the shared memory"),
        pytest.param(ADA, (1024, 32, 0), (1, 66.67, "warps"), id="a third idle"),
        pytest.param(HOPPER, (1024, 32, 0), (2, 100.0, "warps, registers"), id="none idle"),
        pytest.param(ADA, (33, 32, 0), (24, 100.0, "warps, blocks"), id="half a warp is one"),
        pytest.param(ADA, (2048, 16, 0), (0, 0.0, "warps"), id="too many threads"),
        pytest.param(ADA, (1024, 255, 0), (0, 0.0, "registers"), id="too many registers"),
        pytest.param(ADA, (32, 16, 101_377), (0, 0.0, "shared_mem"), id="a byte too many"),
    ],
)
def test_occupancy_by_hand(table, launch, expected):
    threads, registers, shared_bytes = launch
    resident = occupancy(table, threads=threads, registers=registers, shared_bytes=shared_bytes)
    assert (resident.blocks_per_sm, resident.pct, resident.limited_by) == expected
    assert resident.warps_per_sm == resident.blocks_per_sm * -(-threads // 32)


@given(threads=THREADS_IN_A_BLOCK, registers=REGISTERS_OF_A_THREAD, shared=st.integers(0, 240_000))
def test_a_launch_without_exceeded_limits_is_one_that_can_run(threads, registers, shared):
    for architecture in ARCHITECTURES:
        exceeded = exceeded_limits(
            architecture, grid=(1, 1, 1), threads=threads, registers=registers, shared_bytes=shared
        )
        resident = occupancy(
            architecture, threads=threads, registers=registers, shared_bytes=shared
        )
        assert (resident.blocks_per_sm == 0) == bool(exceeded)
        assert 0 <= resident.pct <= 100


@given(threads=THREADS_IN_A_BLOCK, registers=st.integers(1, 254), shared=st.integers(0, 100_000))
def test_more_of_anything_never_raises_occupancy(threads, registers, shared):
    here = occupancy(ADA, threads=threads, registers=registers, shared_bytes=shared)
    more_registers = occupancy(ADA, threads=threads, registers=registers + 1, shared_bytes=shared)
    more_shared = occupancy(ADA, threads=threads, registers=registers, shared_bytes=shared + 1)
    assert more_registers.blocks_per_sm <= here.blocks_per_sm
    assert more_shared.blocks_per_sm <= here.blocks_per_sm


@pytest.mark.parametrize(
    ("registers", "threads"),
    [(0, 1024), (16, 1024), (64, 1024), (65, 896), (128, 512), (168, 384), (255, 256)],
)
def test_max_threads_per_block_falls_with_registers(registers, threads):
    assert max_threads_per_block(ADA, registers) == threads


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"registers": 255, "threads": 256}, []),
        ({"registers": 256, "threads": 32}, [(REGISTERS, 256, 255)]),
        ({"threads": 1024}, []),
        ({"threads": 1056}, [(THREADS, 1056, 1024)]),
        ({"threads": 1024, "registers": 128}, [(REGISTERED_THREADS, 1024, 512)]),
        ({"threads": 2048, "registers": 128}, [(THREADS, 2048, 1024)]),
        ({"shared_bytes": 101_376}, []),
        ({"shared_bytes": 101_377}, [(SHARED_BYTES, 101_377, 101_376)]),
        ({"grid": (2**31 - 1, 65_535, 65_535)}, []),
        ({"grid": (2**31, 1, 1)}, [("blocks in grid dimension 0", 2**31, 2**31 - 1)]),
        (
            {"grid": (1, 65_536, 70_000)},
            [
                ("blocks in grid dimension 1", 65_536, 65_535),
                ("blocks in grid dimension 2", 70_000, 65_535),
            ],
        ),
    ],
)
def test_exceeded_limits(change, expected):
    launch = {"grid": (1, 1, 1), "threads": 128, "registers": 32, "shared_bytes": 0, **change}
    found = exceeded_limits(ADA, **launch)
    assert [(x.resource, x.required, x.limit) for x in found] == expected


def test_an_exceeded_limit_names_both_figures_and_the_target():
    limit = ExceededLimit(resource=SHARED_BYTES, required=262_144, limit=101_376)
    assert limit.describe("sm_89") == (
        "bytes of shared memory per block: 262,144 needed, sm_89 allows 101,376"
    )
