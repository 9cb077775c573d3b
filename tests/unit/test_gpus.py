from dataclasses import asdict

import pytest

from gate.errors import InvalidConfiguration
from gate.gpus import (
    FOLDER,
    load_gpu_table,
    load_gpu_tables,
    table_for_name,
)
from gate.gpus.architectures import ARCHITECTURES, KNOWN_TARGETS, architecture_for

ADA_FILE = FOLDER / "nvidia-geforce-rtx-4090.toml"


def test_the_4090_has_every_figure_of_the_seeds_table():
    table = table_for_name("NVIDIA GeForce RTX 4090")
    assert asdict(table) == {
        "name": "NVIDIA GeForce RTX 4090",
        "short_name": "4090",
        "architecture": "Ada Lovelace",
        "compute_capability": "8.9",
        "sm_count": 128,
        "memory_bandwidth_gb_s": 1008,
        "tf32_tflops": 82.6,
        "bfloat16_tflops": 165.2,
        "float16_tflops": 165.2,
        "max_registers_per_thread": 255,
        "registers_per_sm": 65536,
        "max_threads_per_block": 1024,
        "max_threads_per_sm": 1536,
        "warp_size": 32,
        "max_warps_per_sm": 48,
        "max_blocks_per_sm": 24,
        "shared_bytes_per_sm": 100 * 1024,
        "max_shared_bytes_per_block": 99 * 1024,
        "l2_bytes": 72 * 1024 * 1024,
    }


def test_the_known_cards():
    assert {(t.name, t.compute_capability) for t in load_gpu_tables()} == {
        ("NVIDIA GeForce RTX 4090", "8.9"),
        ("NVIDIA H100 80GB HBM3", "9.0"),
        ("NVIDIA H200", "9.0"),
    }


@pytest.mark.parametrize("field", ["name", "short_name"])
def test_no_two_cards_share_a_name(field):
    names = [getattr(table, field) for table in load_gpu_tables()]
    assert len(set(names)) == len(names)


def test_cards_and_their_architectures_agree():
    by_capability = {a.compute_capability: asdict(a) for a in ARCHITECTURES}
    for table in load_gpu_tables():
        of_card = asdict(table)
        limits = by_capability[table.compute_capability]
        assert {key: of_card[key] for key in limits} == limits


def test_every_architecture_from_volta_to_blackwell_is_known():
    assert (
        *("sm_70", "sm_75", "sm_80", "sm_86", "sm_87", "sm_89", "sm_90"),
        *("sm_100", "sm_103", "sm_110", "sm_120", "sm_121"),
    ) == KNOWN_TARGETS
    assert architecture_for("sm_120").capability_number == 120
    assert architecture_for("sm_99") is None


def test_an_unknown_card_has_no_table():
    assert table_for_name("NVIDIA GeForce GTX 1080") is None


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("sm_count = 128", "", "sm_count is missing"),
        ("sm_count = 128", "sm_count = 128\nfans = 3", "fans is not a figure of a GPU table"),
        ("sm_count = 128", 'sm_count = "128"', "sm_count = '128' is not a positive integer"),
        ("sm_count = 128", "sm_count = 128.0", "sm_count = 128.0 is not a positive integer"),
        ("sm_count = 128", "sm_count = true", "sm_count = True is not a positive integer"),
        ("sm_count = 128", "sm_count = 0", "sm_count = 0 is not a positive integer"),
        ("tf32_tflops = 82.6", "tf32_tflops = nan", "tf32_tflops = nan is not a positive number"),
        ("tf32_tflops = 82.6", "tf32_tflops = inf", "tf32_tflops = inf is not a positive number"),
        ('short_name = "4090"', "short_name = 4090", "short_name = 4090 is not a text"),
        ('short_name = "4090"', 'short_name = ""', "short_name = '' is not a text"),
        ('"8.9"', '"89"', "compute_capability is not of the form 8.9"),
        ("max_warps_per_sm = 48", "max_warps_per_sm = 64", "is not max_threads_per_sm"),
        ("block = 101_376", "block = 102_401", "more shared memory than an SM"),
        ("max_threads_per_block = 1024", "max_threads_per_block = 2048", "more threads than an SM"),
        ("sm_count = 128", "sm_count = ", "is not TOML"),
    ],
)
def test_a_table_with_a_fault_is_refused_by_name(tmp_path, old, new, fault):
    text = ADA_FILE.read_text()
    assert text.count(old) == 1
    file = tmp_path / "card.toml"
    file.write_text(text.replace(old, new))
    with pytest.raises(InvalidConfiguration, match=fault):
        load_gpu_table(file)


def test_a_table_that_is_not_text_is_refused(tmp_path):
    file = tmp_path / "card.toml"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidConfiguration, match="is not TOML"):
        load_gpu_table(file)
