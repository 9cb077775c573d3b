"""Where reports go: refused before anything is measured, and a reader that leaves costs nothing."""

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from gate import measure
from gate.baselines import Baselines
from gate.cli import console, main
from gate.destinations import WHOLE
from gate.documents import measurement_json
from tests.factories import baseline, measurement, result


@pytest.fixture
def run_file(project):
    Baselines(project.root / "baselines" / "nvidia-h100-80gb-hbm3", "sm_89").write(baseline())
    file = project.root / "run.json"
    file.write_text(measurement_json(measurement()))
    return file


@pytest.fixture
def nothing_measured(project, monkeypatch):
    folder = project.root / "kernels" / "relu"
    folder.mkdir(parents=True)
    for name in ("kernel.py", "reference.py"):
        (folder / name).touch()

    def refuse(*_arguments, **_options):
        raise AssertionError("it was measured")

    monkeypatch.setattr(measure, "measure", refuse)
    monkeypatch.setattr(measure, "make_plan", refuse)


def gate(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


@pytest.mark.parametrize("option", ["--json", "--markdown", "--junit", "--output"])
def test_a_report_that_cannot_be_written_is_refused_before_measuring(nothing_measured, option):
    Path("file").touch()
    answer = gate("check", option, "file/report")
    assert answer.exit_code == 7
    assert "file/report: cannot be written" in answer.output
    assert answer.exception is None or isinstance(answer.exception, SystemExit)


def test_a_device_that_may_not_be_written_is_refused(nothing_measured, monkeypatch):
    monkeypatch.setattr("gate.documents.os.access", lambda _path, _mode: False)
    answer = gate("check", "--json", "/dev/null")
    assert (answer.exit_code, "Permission denied" in answer.output) == (7, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "--json", "report", "--markdown", "./report"),
        ("check", "--json", "-", "--junit", "-"),
        ("check", "--junit", "report", "-o", "report"),
        ("judge", "report", "--json", "report"),
    ],
)
def test_two_reports_in_one_place_are_a_usage_error(nothing_measured, arguments):
    answer = gate(*arguments)
    assert answer.exit_code == 2
    assert "name the same file: " in answer.output
    assert not Path("report").exists()


def test_asking_whether_it_can_be_written_changes_nothing(run_file):
    Path("old.json").write_text("old")
    answer = gate("judge", run_file, "--json", "old.json", "--gpu", "maybe")
    assert answer.exit_code == 2
    assert Path("old.json").read_text() == "old"
    assert sorted(p.name for p in Path.cwd().iterdir() if not p.name.startswith(".git")) == [
        *("baselines", "old.json", "pyproject.toml", "run.json"),
    ]


def test_a_dash_is_stdout_and_the_table_moves_to_stderr(run_file):
    answer = gate("judge", run_file, "--json", "-")
    assert answer.exit_code == 0
    assert json.loads(answer.stdout)["verdict"] == "passed"
    assert answer.stderr.startswith("PASSED")
    assert not Path("-").exists()


@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_a_reader_that_leaves_does_not_change_the_exit_code(run_file, factor):
    slower = result()
    medians = tuple(m * factor for m in slower.timing.process_medians_ns)
    from dataclasses import replace

    timing = replace(slower.timing, process_medians_ns=medians)
    run_file.write_text(measurement_json(measurement(replace(slower, timing=timing))))
    script = f"{sys.executable} -m gate judge {run_file} --markdown - 2>&1 | true; "
    script += "echo ${PIPESTATUS[0]}"
    # Nobody reads: the pipe is closed long before Python has started.
    ended = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert ended.stdout == ("0\n" if factor == 1 else "3\n")
    assert ended.stderr == ""


def test_a_closed_stdout_does_not_change_the_exit_code(run_file):
    script = f"{sys.executable} -m gate judge {run_file} >&-"
    ended = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_what_goes_into_a_file_is_folded_nowhere(run_file):
    name = "a-name-as-long-as-they-may-be-" * 2
    run_file.write_text(measurement_json(measurement(result(), result(workload=name))))
    lines = gate("judge", run_file).stdout.splitlines()
    (row,) = (line for line in lines if line.startswith("conv/flagship "))
    assert row.rstrip().endswith("unchanged")
    (row,) = (line for line in lines if line.startswith(f"conv/{name} "))
    assert row.rstrip().endswith("missing")


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_keeps_its_width(monkeypatch, terminal):
    monkeypatch.setenv("COLUMNS", "93")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    with click.Context(main):
        assert console().width == (93 if terminal else WHOLE)
