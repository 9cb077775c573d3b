import os
import re
import time
from dataclasses import replace
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_samples import FUNCTION, KERNEL, SAMPLES, agrees, figures, finding, regressed, verdict
from rich.console import Console
from test_report_hostile import HOSTILE, everywhere, in_messages

from gate.definitions import Definitions
from gate.errors import ExitCode
from gate.report.annotations import MAX_SHOWN, command, commands, render, stopped
from gate.verdict import Status

FILE = f"kernels/{KERNEL}/kernel.py"
SOURCE = f"""\
import triton

@triton.jit
def {FUNCTION}(x):
    pass

class ModelNew:
    pass
"""
# What GitHub's runner takes for a command, and what is left of it when that is unescaped.
COMMAND = re.compile(r"::(error|warning) ((?:[a-z]+=[^:,\n]*,?)*)::(.*)")


def nowhere(kernel, function):
    return FILE, 1


def broken(message, workload="flagship", code="imports"):
    return finding(
        "contract", Status.FAILED, code, message, workload=workload, exit_code=ExitCode.INCORRECT
    )


@pytest.fixture
def kernels(tmp_path):
    folder = tmp_path / "kernels" / KERNEL
    folder.mkdir(parents=True)
    (folder / "kernel.py").write_text(SOURCE)
    return folder.parent


# ---------------------------------------------------------------------------------- where and what


def test_a_regression_stands_at_its_function_and_at_the_model(kernels):
    locate = Definitions(kernels, kernels.parent).locate
    runtime, sm, _ = commands(regressed(), locate)
    where = f"file={FILE},line="
    assert runtime == (
        f"::error {where}7,title={KERNEL}/flagship%3A runtime regressed::343.1 us -> 412.1 us, "
        "+20.1 %25 [+19.6 %25, +20.6 %25], tolerance 1.0 %25 (configured floor)"
    )
    assert sm.startswith(f"::error {where}4,title={KERNEL}/flagship%3A SM throughput regressed::")


def test_a_broken_contract_stands_at_its_own_lines_once_for_all_workloads():
    message = "kernel.py:12: no test code\nkernel.py:3: another import"
    given = verdict(ExitCode.INCORRECT, *(broken(message, f"w{i}") for i in range(14)))
    title = f"{KERNEL}/w0 and 13 more%3A contract failed"
    assert commands(given, nowhere) == (
        f"::error file={FILE},line=12,title={title}::no test code",
        f"::error file={FILE},line=3,title={title}::another import",
    )


def test_only_the_contract_names_lines():
    crashed = finding("correctness", Status.FAILED, "crashed", "kernel.py:99: owned")
    (line,) = commands(verdict(ExitCode.INCORRECT, crashed), nowhere)
    assert ",line=1," in line
    assert line.endswith("::kernel.py:99: owned")


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("class ModelNew: pass", 1),
        ("x = 1\n\nclass ModelNew: pass", 3),
        ("x = 1\n\n\n", 1),
        ("class ModelNew(", 1),
        ("x = '\0'", 1),
        ("(" * 5_000, 1),
    ],
)
def test_a_file_that_cannot_be_read_is_marked_at_its_first_line(kernels, source, line):
    (kernels / KERNEL / "kernel.py").write_text(source)
    assert Definitions(kernels, kernels.parent).locate(KERNEL, "absent") == (FILE, line)


@pytest.mark.parametrize("kernel", ["../../etc", "/etc", "", "a\nb", "::error::x", "UPPER"])
def test_a_hostile_kernel_opens_no_file(kernels, kernel):
    assert Definitions(kernels, kernels.parent).locate(kernel, None) == ("kernels", 1)


def test_a_kernel_that_is_gone_or_a_pipe_is_not_waited_for(kernels, tmp_path):
    (kernels / KERNEL / "kernel.py").unlink()
    assert Definitions(kernels, tmp_path).locate(KERNEL, None) == (FILE, 1)
    os.mkfifo(kernels / KERNEL / "kernel.py")
    assert Definitions(kernels, tmp_path).locate(KERNEL, None) == (FILE, 1)


def test_a_kernel_outside_of_the_workspace_keeps_its_whole_path(kernels, tmp_path):
    file, _ = Definitions(kernels, tmp_path / "elsewhere").locate(KERNEL, None)
    assert file == str(tmp_path / FILE)


# ------------------------------------------------------------------------------------- how many


def test_the_worst_nine_and_how_many_more():
    found = [
        f
        for i in range(2_000)
        for f in list(figures(f"w{i}", runtime=400_000.0 + i, status=Status.REGRESSED))[:1]
    ]
    started = time.perf_counter()
    lines = commands(verdict(ExitCode.REGRESSED, *found), nowhere)
    assert time.perf_counter() - started < 2
    assert len(lines) == MAX_SHOWN + 1
    assert f"title={KERNEL}/w1999%3A runtime" in lines[0]
    assert lines[-1] == (
        "::error title=FAILED regressed (exit 3)::and 1,991 more findings; the report has them"
    )


def test_green_marks_nothing_and_red_without_findings_still_speaks():
    assert commands(SAMPLES["passed"](), nowhere) == ()
    (line,) = commands(verdict(ExitCode.INVALID), nowhere)
    assert line.startswith("::error title=FAILED invalid (exit 7)::")


def test_a_warning_is_no_error():
    warned = [replace(f, exit_code=ExitCode.PASSED) for f in regressed().findings]
    lines = commands(verdict(ExitCode.PASSED, *warned), nowhere)
    assert {line.split()[0] for line in lines} == {"::warning"}


# ------------------------------------------------------------------------------------- hostile


def test_values_are_escaped_as_github_reads_them():
    line = command("error", "100 %\na:b,c", file="a,b:c%\nd", line="1")
    assert line == "::error file=a%2Cb%3Ac%25%0Ad,line=1::100 %25%0Aa:b,c"


def printed(given):
    console = Console(file=StringIO(), width=80)
    render(given, console, lambda kernel, _: (kernel, 1))
    return console.file.getvalue()


def assert_only_its_own_commands(text):
    for line in text.splitlines():
        found = COMMAND.fullmatch(line)
        assert found, line
        assert "owned" not in found[2] or found[2].startswith("file=")
        assert not re.search(r"##\w*\[", line)
        assert {pair.partition("=")[0] for pair in found[2].split(",")} <= {"file", "line", "title"}
        assert line.isprintable()


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("build", [in_messages, everywhere])
def test_hostile_words_make_no_command_of_their_own(text, build):
    assert_only_its_own_commands(printed(build(text)))


@given(st.text(max_size=200), st.sampled_from([in_messages, everywhere]))
def test_any_words_make_no_command_of_their_own(text, build):
    assert_only_its_own_commands(printed(build(text)))


def test_what_stops_commands_cannot_be_guessed_and_always_ends():
    console = Console(file=StringIO(), width=80)
    for _ in range(2):
        with pytest.raises(KeyError), stopped(console):
            raise KeyError
    tokens = re.findall(r"::stop-commands::([0-9a-f]{32})\n::\1::\n", console.file.getvalue())
    assert len(set(tokens)) == 2


def test_agreeing_workloads_are_not_marked():
    assert commands(verdict(ExitCode.PASSED, *agrees()), nowhere) == ()
