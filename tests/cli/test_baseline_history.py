"""`gate baseline history` in a real repository, with a version of an older format among others."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from gate.baselines import Baselines, load_histories
from gate.cli import main
from gate.documents import measurement_json
from tests.factories import baseline, result, timing


@pytest.fixture
def stored(project):
    return Baselines(project.root / "baselines" / "nvidia-h100-80gb-hbm3", "sm_89")


def history(*arguments):
    return CliRunner(env={"COLUMNS": "120"}).invoke(main, ["baseline", "history", *arguments])


def measured(nanoseconds):
    return baseline(result(timing=timing((nanoseconds,) * 3)))


def write(project, stored, text):
    stored.file("conv").parent.mkdir(parents=True, exist_ok=True)
    stored.file("conv").write_text(text)
    return project.commit("baseline")


def test_versions_are_read_as_strictly_as_baselines_and_none_is_fatal(project, stored):
    older = {**json.loads(measurement_json(measured(100.0))), "schema_version": 0}
    commits = [
        write(project, stored, json.dumps(older)),
        write(project, stored, measurement_json(measured(100.0))),
        write(project, stored, "{"),
        write(project, stored, measurement_json(measured(120.0)).replace("conv", "other")),
        write(project, stored, measurement_json(measured(110.0))),
    ]
    ((file, versions),) = load_histories(project.config.baselines, "sm_89", ())
    assert file == "nvidia-h100-80gb-hbm3/conv"
    assert [v.commit for v in versions] == commits
    reads = [v.baseline is not None for v in versions]
    assert reads == [False, True, False, False, True]
    assert versions[0].unreadable == "$.schema_version: this gate reads version 1 only"
    assert versions[2].unreadable.startswith("not strict JSON")
    ended = history("conv")
    assert ended.exit_code == 0
    assert f"{commits[0][:12]} " in ended.output
    assert "+10.0 %" in ended.output


def test_a_folder_that_was_renamed_keeps_its_history(project, stored):
    first = write(project, stored, measurement_json(measured(100.0)))
    project.git("mv", "baselines", "figures")
    second = project.commit("move")
    project.configure('baselines = "figures"')
    ((_, versions),) = load_histories(project.config.baselines, "sm_89", ["conv"])
    assert [v.commit for v in versions] == [first, second]
    assert all(v.baseline for v in versions)


def test_an_unknown_kernel_and_a_file_without_a_commit(project, stored):
    stored.write(measured(100.0))
    assert "it was never committed" in history().output
    ended = history("nothing")
    assert ended.exit_code == 7
    assert "no baseline of nothing" in ended.output
    assert "next: baselines are stored of conv; " in ended.output


def test_another_kernels_baseline_that_looks_alike_is_no_version_of_it(project, stored):
    write(project, stored, measurement_json(measured(350_000.0)))
    other = measured(350_000.0)
    results = tuple(replace(one, kernel="relu") for one in other.results)
    stored.write(replace(other, scope=replace(other.scope, kernels=("relu",)), results=results))
    project.commit("another baseline, much like the first")
    assert len(stored.versions("relu")) == 1
