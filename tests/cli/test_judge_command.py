"""`gate judge` as a person or a workflow runs it: exit codes, reports, hostile files."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from gate.baselines import Baselines
from gate.cli import main
from gate.documents import measurement_json
from gate.model import DRAM_THROUGHPUT, SM_THROUGHPUT
from gate.schemas import schema_errors
from tests.factories import baseline, measurement, result, static_result

ROOT = Path(__file__).parents[2]
STORED = sorted((ROOT / "baselines").glob("*/*.json"))


@pytest.fixture
def stored(project):
    folder = Baselines(project.root / "baselines" / "nvidia-h100-80gb-hbm3", "sm_89")
    folder.write(baseline())
    static = Baselines(project.root / "baselines" / "sm_89", "sm_89")
    static.write(baseline(static_result(), gpu=None))
    return folder


def judged(*arguments, env=None):
    return CliRunner().invoke(main, ["judge", *map(str, arguments)], env=env)


def candidate(project, document):
    file = project.root / "run.json"
    file.write_text(document if isinstance(document, str) else measurement_json(document))
    return file


def scaled(plain, factor, metric=None):
    for one in plain["results"]:
        if metric is None and "process_medians_ns" in one["timing"]:
            medians = one["timing"]["process_medians_ns"]
            one["timing"]["process_medians_ns"] = [m * factor for m in medians]
        for function in one["ncu"].values() if metric and one["profile"] else ():
            function[metric] *= factor
    return plain


def scaled_throughout(plain, factor, metric=None):
    """The same change in everything that the document says of it."""
    scaled(plain, factor, metric)
    for one in plain["results"]:
        for summary in one["timing"].get("samples", ()) if metric is None else ():
            summary |= {k: v * factor for k, v in summary.items() if k.endswith("_ns")}
        for seen in one["profile"]["spread"].values() if metric and one["profile"] else ():
            seen[metric] = [bound * factor for bound in seen[metric]]
    return plain


def test_there_are_baselines_to_judge():
    assert {file.parent.name for file in STORED} >= {"nvidia-h100-80gb-hbm3", "sm_89"}


def test_only_a_baseline_is_judged_by_itself_where_nothing_measures(project, stored):
    static = project.root / "baselines" / "sm_89" / "conv.json"
    assert judged(static, env={"CI": "true"}).exit_code == 0
    assert judged(static, "--gpu", "require").exit_code == 6
    among_them = static.with_name("run.json")
    among_them.write_text(measurement_json(measurement(static_result(), gpu=None)))
    assert judged(among_them, "--gpu", "auto").exit_code == 0
    assert judged(among_them, env={"CI": "true"}).exit_code == 6


@pytest.mark.parametrize("ci", ["false", "true"])
@pytest.mark.parametrize("file", STORED, ids=lambda f: f"{f.parent.name}/{f.stem}")
def test_every_stored_baseline_judged_by_itself_passes(file, ci, monkeypatch):
    monkeypatch.chdir(ROOT)
    answer = judged(file, env={"CI": ci})
    assert answer.exit_code == 0, answer.output


@pytest.mark.parametrize(
    ("factor", "metric", "exit_code"),
    [
        (1.2, None, 3),
        (0.8, SM_THROUGHPUT, 3),
        (0.8, DRAM_THROUGHPUT, 3),
        (0.5, None, 0),
        (1.0, None, 0),
    ],
)
@pytest.mark.parametrize("plant", [scaled, scaled_throughout])
@pytest.mark.parametrize(
    "file", [f for f in STORED if f.parent.name != "sm_89"], ids=lambda f: f.parent.name
)
def test_planted_changes_of_a_stored_baseline(
    file, plant, factor, metric, exit_code, tmp_path, monkeypatch
):
    monkeypatch.chdir(ROOT)
    run = tmp_path / "run.json"
    run.write_text(json.dumps(plant(json.loads(file.read_text()), factor, metric)))
    answer = judged(run)
    assert answer.exit_code == exit_code, answer.output


def beside_a_base(plain, candidate, base):
    """The recorded run as on a machine so many times slower, with a base revision's kernel."""
    plain = scaled_throughout(plain, candidate)
    for one in plain["results"]:
        if "method" in one["timing"]:
            medians = one["timing"]["process_medians_ns"]
            one["timing"]["base"] = {
                "commit": "a" * 40,
                "kernel_sha256": "b" * 64,
                "process_medians_ns": [m / candidate * base for m in medians],
                "candidate_medians_ns": medians,
            }
    return plain


@pytest.mark.parametrize(
    ("candidate", "base", "exit_code", "code"),
    [
        (1.2, 1.2, 6, "environment_drift"),
        (1.2, 1.0, 3, "slower"),
        (1.0, 1.0, 0, ""),
        (1.0, 1.2, 0, ""),
    ],
)
def test_a_slow_environment_in_both_arms_blames_nobody(
    candidate, base, exit_code, code, tmp_path, monkeypatch
):
    monkeypatch.chdir(ROOT)
    run = tmp_path / "run.json"
    plain = json.loads((ROOT / "tests" / "data" / "h100" / "measurement.json").read_text())
    run.write_text(json.dumps(beside_a_base(plain, candidate, base)))
    answer = judged(run)
    assert answer.exit_code == exit_code, answer.output
    assert code in answer.output
    assert (exit_code == 3) == ("regressed" in answer.output)


TRADE_OFF = ROOT / "tests" / "data" / "h100" / "trade_off"


@pytest.fixture
def hidden_work(project):
    """Recorded on an H100: a kernel with useless instructions that memory hid, as the baseline."""
    folder = project.root / "baselines" / "nvidia-h100-80gb-hbm3"
    folder.mkdir(parents=True)
    shutil.copy(TRADE_OFF / "baseline.json", folder / "depthwise_conv_h.json")


def test_useless_instructions_removed_are_a_trade_off_that_somebody_signs(project, hidden_work):
    answer = judged(TRADE_OFF / "candidate.json")
    assert answer.exit_code == 3
    assert "SM throughput -36.6 %" in answer.output.splitlines()[0]
    text = " ".join(answer.output.split())
    assert "(trade_off)" in text
    assert "instructions -36.4 %, DRAM bytes -0.1 %, profiled time -0.8 %" in text
    assert "--accept-regression" in text


def test_a_project_may_take_trade_offs_without_a_word(project, hidden_work):
    (project.root / "pyproject.toml").write_text('[tool.gate]\non_trade_off = "warn"\n')
    answer = judged(TRADE_OFF / "candidate.json")
    assert answer.exit_code == 0
    assert "trade_off" in answer.output


def test_a_regression_says_what_broke_by_how_much_and_what_to_type(project, stored):
    plain = scaled(json.loads(measurement_json(measurement())), 1.2)
    answer = judged(candidate(project, json.dumps(plain)))
    assert answer.exit_code == 3
    assert "conv/flagship runtime +20.0 % (tolerance 1.0 %)" in answer.output.splitlines()[0]
    assert "gate baseline refresh conv --accept-regression" in answer.output


def test_reports_are_written_and_agree(project, stored):
    names = {"--json": "v.json", "--markdown": "v.md", "--junit": "v.xml"}
    options = [word for pair in names.items() for word in pair]
    answer = judged(candidate(project, measurement()), *options)
    assert answer.exit_code == 0
    verdict = json.loads((project.root / "v.json").read_text())
    assert not list(schema_errors("verdict", verdict))
    assert verdict["verdict"] == "passed"
    assert "PASSED" in (project.root / "v.md").read_text()
    assert (project.root / "v.xml").read_text().startswith("<?xml")


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace("356500.0", "NaN", 1),
        lambda text: text.replace("356500.0", "Infinity", 1),
        lambda text: text.replace("356500.0", "1e400", 1),
        lambda text: text.replace("356500.0", '"fast"', 1),
        lambda text: text.replace('"results"', '"results": [], "results"', 1),
        lambda text: text.replace('"conv"', '"../conv"'),
        lambda text: text.replace('"conv"', '"conv\\n::error::x"'),
        lambda text: text.replace('"schema_version": 1', '"schema_version": 99'),
        lambda text: text[:-100],
        lambda _text: "",
        lambda _text: "[" * 100_000,
    ],
)
def test_hostile_measurements_end_with_7_and_without_a_traceback(project, stored, damage):
    answer = judged(candidate(project, damage(measurement_json(measurement()))))
    assert answer.exit_code == 7, answer.output
    assert "error: " in answer.output
    assert "Traceback" not in answer.output
    assert isinstance(answer.exception, SystemExit)


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (measurement(kernels=("conv", "absent")), "result_missing"),
        (measurement(result(workload="other")), "result_missing"),
        (measurement(result("unknown")), "no_baseline"),
    ],
)
def test_incomplete_measurements_end_with_7(project, stored, document, code):
    answer = judged(candidate(project, document))
    assert answer.exit_code == 7
    assert code in answer.output


def test_another_gpu_has_no_baseline_and_the_refresh_is_named(project, stored):
    gpu = replace(measurement().environment.gpu, name="NVIDIA GeForce RTX 4090")
    answer = judged(candidate(project, measurement(gpu=gpu)))
    assert answer.exit_code == 7
    assert "baselines/nvidia-geforce-rtx-4090" in answer.output
    assert "gate baseline refresh conv" in answer.output


def test_all_demands_what_the_scope_left_out(project, stored):
    stored.write(baseline(result("second")))
    file = candidate(project, measurement())
    assert judged(file).exit_code == 0
    answer = judged(file, "--all")
    assert answer.exit_code == 7
    assert "kernel_missing" in answer.output


def test_kernels_are_demanded_by_name(project, stored):
    stored.write(baseline(result("second")))
    file = candidate(project, measurement())
    assert judged(file, "--require", "conv").exit_code == 0
    for name in ("second", "new"):
        answer = judged(file, "--require", "conv", "--require", name)
        assert answer.exit_code == 7
        assert f"{name}: result" in answer.output
        assert "kernel_missing" in answer.output


def test_under_ci_a_measurement_without_a_gpu_is_not_green(project, stored):
    file = candidate(project, measurement(static_result(), gpu=None))
    assert judged(file).exit_code == 0
    for ci in ("true", "TRUE", "1"):
        assert judged(file, env={"CI": ci}).exit_code == 6
    assert judged(file, "--gpu", "auto", env={"CI": "true"}).exit_code == 0


def test_another_folder_of_baselines_can_be_named(project, stored, tmp_path_factory):
    empty = tmp_path_factory.mktemp("empty")
    answer = judged(candidate(project, measurement()), "--baselines", empty)
    assert answer.exit_code == 7


def test_a_folder_of_baselines_that_is_not_there_is_told_as_that(project, stored):
    answer = judged(candidate(project, measurement()), "--baselines", "basline")
    assert answer.exit_code == 7
    assert answer.stderr.startswith(f"error: --baselines: there is no folder {project.root}/basl")
    assert "no_baseline" not in answer.output


def test_a_baseline_that_is_broken_is_as_bad_as_a_broken_measurement(project, stored):
    stored.file("conv").write_text("{}")
    assert judged(candidate(project, measurement())).exit_code == 7


def test_a_file_that_breaks_its_schema_is_answered_with_what_to_do(project, stored):
    broken = candidate(project, measurement_json(measurement()).replace('"passed"', '"fine"'))
    answer = judged(broken)
    assert answer.exit_code == 7
    assert "next: write it with this version of the gate" in answer.output
    (kernel,) = stored.names()
    file = stored.file(kernel)
    file.write_text(file.read_text().replace('"passed"', '"fine"'))
    for answer in (judged(file), judged(candidate(project, measurement()))):
        assert answer.exit_code == 7
        assert "next: restore that file from version control" in answer.output


@pytest.mark.parametrize(
    ("arguments", "env", "annotated"),
    [
        ([], {"GITHUB_ACTIONS": "true"}, True),
        (["--annotations"], {"GITHUB_ACTIONS": ""}, True),
        ([], {"GITHUB_ACTIONS": "false"}, False),
        (["--no-annotations"], {"GITHUB_ACTIONS": "true"}, False),
        (["--json", "-"], {"GITHUB_ACTIONS": "true"}, True),
    ],
)
def test_a_regression_is_marked_at_its_kernel(project, stored, arguments, env, annotated):
    plain = scaled_throughout(json.loads(measurement_json(measurement())), 1.2)
    answer = judged(candidate(project, json.dumps(plain)), *arguments, env=env)
    assert answer.exit_code == 3, answer.output
    said = answer.stderr if "-" in arguments else answer.stdout
    assert ("::error file=kernels/" in said) is annotated
    assert ("::stop-commands::" in said) is annotated
    if "-" in arguments:
        json.loads(answer.stdout)


def test_an_error_s_words_are_no_command_to_a_runner(project):
    file = project.root / "##[error]owned.json"
    file.write_text("{")
    answer = judged(file)
    assert answer.exit_code == 7
    assert "## [error]owned.json" in answer.stderr
    assert "##[" not in answer.stderr


def judged_from_stdin(document, *arguments):
    return CliRunner().invoke(main, ["judge", "-", *map(str, arguments)], input=document)


def test_a_dash_reads_the_measurement_from_stdin_as_strictly_as_a_file(project, stored):
    text = measurement_json(measurement())
    answer = judged_from_stdin(text)
    assert answer.exit_code == 0, answer.output
    assert answer.stdout.startswith("PASSED")
    slower = json.dumps(scaled(json.loads(text), 1.2))
    assert judged_from_stdin(slower).exit_code == 3
    for damaged in ("", "{", text[:-100], text.replace("356500.0", "NaN", 1)):
        answer = judged_from_stdin(damaged)
        assert answer.exit_code == 7
        assert answer.stderr.startswith("error: stdin: ")


def test_what_comes_from_stdin_is_no_baseline_wherever_it_is_judged(project, stored, monkeypatch):
    monkeypatch.setenv("CI", "true")
    text = stored.file("conv").read_text()
    static = (project.root / "baselines" / "sm_89" / "conv.json").read_text()
    monkeypatch.chdir(project.root / "baselines")
    assert judged_from_stdin(text).exit_code == 0
    assert judged_from_stdin(static).exit_code == 6


def test_stdin_is_read_no_further_than_a_file(project, stored, monkeypatch):
    limit = 2 * len(stored.file("conv").read_text())
    monkeypatch.setattr("gate.documents.MAX_DOCUMENT_BYTES", limit)
    text = measurement_json(measurement()).ljust(limit)
    assert judged_from_stdin(text).exit_code == 0
    for answer in (judged_from_stdin(f"{text} "), judged(candidate(project, f"{text} "))):
        assert answer.exit_code == 7
        assert f": larger than {limit} bytes" in answer.stderr


def test_stdin_and_stdout_are_two_things(project, stored):
    answer = judged_from_stdin(measurement_json(measurement()), "--json", "-")
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout)["verdict"] == "passed"
    assert answer.stderr.startswith("PASSED")


def test_a_closed_stdin_is_told(project):
    command = f"{sys.executable} -m gate judge - <&-"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert ended.returncode == 7
    assert ended.stderr.startswith("error: stdin: cannot be read: ")
