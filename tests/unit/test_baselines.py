from dataclasses import replace

import pytest

from gate.baselines import Baselines, folder_name, load_all
from gate.documents import measurement_json
from gate.errors import InvalidDocument, UnknownKernel
from tests.factories import H100, baseline, measurement, result, static_result


def stored_in(tmp_path, slug="nvidia-h100-80gb-hbm3"):
    return Baselines(tmp_path / slug, "sm_89")


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("NVIDIA H100 80GB HBM3", "nvidia-h100-80gb-hbm3"),
        ("NVIDIA GeForce RTX 4090", "nvidia-geforce-rtx-4090"),
        ("Tesla T4 (../x)", "tesla-t4-x"),
    ],
)
def test_a_gpus_folder_is_a_plain_name(name, slug):
    assert folder_name(replace(H100, name=name), "sm_89") == slug


def test_without_a_gpu_the_architecture_names_the_folder():
    assert folder_name(None, "sm_89") == "sm_89"


def test_a_written_baseline_loads_as_it_was(tmp_path):
    stored = stored_in(tmp_path)
    document = baseline(result(workload="b"), result(workload="a"))
    stored.write(document)
    assert stored.load("conv") == document
    assert stored.names() == ("conv",)


def test_a_kernel_without_a_baseline_has_none(tmp_path):
    assert stored_in(tmp_path).load("conv") is None
    assert stored_in(tmp_path).names() == ()


@pytest.mark.parametrize(
    ("document", "place"),
    [
        (measurement(), r"\$\.baseline"),
        (baseline(result("other")), r"\$\.scope\.kernels"),
        (replace(baseline(), results=(result("other"),)), r"\$\.scope\.kernels"),
        (baseline(gpu=replace(H100, name="NVIDIA H200")), r"\$\.environment\.gpu"),
        (baseline(static_result(), gpu=None), r"\$\.environment\.gpu"),
    ],
)
def test_a_file_that_is_not_what_its_path_says_is_refused(tmp_path, document, place):
    stored = stored_in(tmp_path)
    stored.folder.mkdir()
    stored.file("conv").write_text(measurement_json(document))
    with pytest.raises(InvalidDocument, match=place):
        stored.load("conv")


@pytest.mark.parametrize("kernel", ["../../etc/passwd", "a/b", "", "A"])
def test_a_name_cannot_leave_its_folder(tmp_path, kernel):
    with pytest.raises(InvalidDocument, match="cannot name a kernel"):
        stored_in(tmp_path).load(kernel)


def test_every_folders_baselines_are_found(tmp_path):
    stored_in(tmp_path).write(baseline())
    stored_in(tmp_path, "sm_89").write(baseline(static_result(), gpu=None))
    assert [name for name, _ in load_all(tmp_path, "sm_89", ())] == [
        "nvidia-h100-80gb-hbm3",
        "sm_89",
    ]
    with pytest.raises(UnknownKernel, match="absent"):
        load_all(tmp_path, "sm_89", ("absent",))
