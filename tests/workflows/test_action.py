"""The composite action and the scripts that it shares with the workflows."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from gate.errors import ExitCode
from tests.workflows.policy import ACTION, parsed
from tests.workflows.running import ROOT, SCRIPTS

INPUTS = {
    "MODE": "check",
    **dict.fromkeys(("KERNELS", "BASELINES", "BASE_REF", "MEASUREMENT"), ""),
    **dict.fromkeys(("BINDING", "CARD", "PROPOSED"), ""),
    "PROJECT": ".",
    "GPU": "require",
}
RECORDED = ROOT / "tests" / "data" / "h100" / "measurement.json"
# Notes what the gate is told, and ends as a test says; the script of outcomes is the real one.
NOTING = """\
#!/bin/sh
case "$*" in
  *outcome.py*) exec "{python}" "$@" ;;
esac
printf '%s\\n' "$@" > "{folder}/said"
pwd > "{folder}/where"
exit {code}
"""


def act(bash, **inputs):
    return bash(f"bash '{SCRIPTS / 'action.sh'}'", **{**INPUTS, **inputs})


def noting(bash, code=0):
    bash.python(NOTING.format(python=sys.executable, folder=bash.folder, code=code))


def said(bash):
    return (bash.folder / "said").read_text().splitlines()[4:]  # after -I -m gate MODE


# ------------------------------------------------------------------------------------- a clean run


def test_no_variable_of_the_runner_reaches_the_gate(bash):
    bash.python("#!/bin/sh\nenv\n")
    script = f"bash '{SCRIPTS / 'gate.sh'}'"
    first, second = bash(script, GH_TOKEN="t", TRITON_CACHE_DIR="x"), bash(script)
    variables = dict(line.split("=", 1) for line in first.stdout.splitlines() if "=" in line)
    assert set(variables) - {"PWD", "SHLVL", "_", "OLDPWD"} == {
        *("CI", "PATH", "LANG", "HOME", "TMPDIR", "TRITON_CACHE_DIR", "GITHUB_WORKSPACE"),
    }
    assert variables["TRITON_CACHE_DIR"].startswith(variables["HOME"])
    homes = [re.search("HOME=(.*)", ended.stdout)[1] for ended in (first, second)]
    assert homes[0] != homes[1]


def test_the_gate_runs_isolated_and_its_exit_code_counts(bash):
    bash.python('#!/bin/sh\nprintf "%s\\n" "$@"\nexit 5\n')
    ended = bash(f"bash '{SCRIPTS / 'gate.sh'}' judge 'a b'")
    assert (ended.returncode, ended.stdout) == (5, "-I\n-m\ngate\njudge\na b\n")


@pytest.mark.parametrize(
    ("extra", "constraints", "what", "by"),
    [
        ("", "", ROOT, ROOT / "constraints.txt"),
        ("gpu", "", f"{ROOT}[gpu]", ROOT / "constraints.txt"),
        ("gpu", "own.txt", f"{ROOT}[gpu]", "own.txt"),
    ],
)
def test_the_gate_of_this_very_tree_is_installed(bash, extra, constraints, what, by):
    pip = '#!/bin/sh\nprintf "%s\\n" "$*" >> said\n'
    making = f"{pip}mkdir -p gate/venv/bin\ncp bin/pip gate/venv/bin/python\n"
    bash.program("python3", making)
    bash.program("pip", pip)
    script = f"bash '{SCRIPTS / 'install.sh'}' '{extra}'"
    assert bash(script, CONSTRAINTS=constraints).returncode == 0
    made, installed = (bash.folder / "said").read_text().splitlines()
    assert made == f"-m venv {bash.folder}/gate/venv"
    assert installed.startswith("-I -m pip --isolated install --no-cache-dir ")
    assert installed.endswith(f"--constraint {by} {what}")


# --------------------------------------------------------------------------- what the gate is told


def test_a_check_is_told_what_the_inputs_say(bash):
    noting(bash)
    (bash.folder / "sub").mkdir()
    given = {"KERNELS": "conv_h relu", "PROJECT": "sub", "BASELINES": "base/baselines"}
    assert act(bash, **given, BASE_REF="origin/main").returncode == 0
    assert (bash.folder / "where").read_text().strip() == str(bash.folder / "sub")
    assert said(bash) == [
        f"--baselines={bash.folder}/base/baselines",
        f"--output={bash.folder}/gate/run.json",
        *("--gpu=require", "--base=origin/main"),
        f"--json={bash.folder}/gate/verdict.json",
        f"--markdown={bash.folder}/gate/report.md",
        *("--annotations", "--", "conv_h", "relu"),
    ]


def test_a_measurement_has_no_verdict(bash):
    noting(bash)
    assert act(bash, MODE="measure", GPU="skip", BINDING="b.json").returncode == 0
    assert said(bash) == [
        f"--output={bash.folder}/gate/run.json",
        *("--gpu=skip", f"--binding={bash.folder}/b.json", "--"),
    ]
    assert bash.outputs() == {"exit-code": "0"}
    assert not (bash.folder / "GITHUB_STEP_SUMMARY").exists()


def test_a_judge_demands_every_kernel_or_those_that_are_named(bash):
    noting(bash)
    given = {"MEASUREMENT": "run.json", "CARD": "x", "BINDING": "b", "PROPOSED": "p"}
    assert act(bash, MODE="judge", **given).returncode == 0
    assert said(bash)[:5] == [
        *("--all", "--gpu=require", f"--expect-binding={bash.folder}/b", "--expect-gpu=x"),
        f"--proposed={bash.folder}/p",
    ]
    assert said(bash)[-2:] == ["--", f"{bash.folder}/run.json"]
    act(bash, MODE="judge", KERNELS="relu conv", GPU="skip")
    assert said(bash)[:3] == ["--require=relu", "--require=conv", "--gpu=auto"]
    assert "--all" not in said(bash)
    act(bash, MODE="judge", KERNELS=" ")
    assert said(bash)[0] == "--all"


def test_kernels_may_stand_on_lines_of_their_own(bash):
    noting(bash)
    assert act(bash, KERNELS="conv_h\n  relu\ngelu softmax\n").returncode == 0
    assert said(bash)[-5:] == ["--", "conv_h", "relu", "gelu", "softmax"]


def test_a_hostile_input_is_one_argument(bash):
    noting(bash)
    hostile = '$(touch x) "; touch x #'
    assert act(bash, KERNELS="--help $(touch", BASE_REF=hostile, BASELINES=hostile).returncode == 0
    assert f"--base={hostile}" in said(bash)
    assert f"--baselines={bash.folder}/{hostile}" in said(bash)
    assert said(bash)[-3:] == ["--", "--help", "$(touch"]
    assert not (bash.folder / "x").exists()


@pytest.mark.parametrize("mode", ["", "refresh", "check; id"])
def test_another_mode_is_refused(bash, mode):
    noting(bash)
    ended = act(bash, MODE=mode)
    assert ended.returncode == 2
    assert "::error::mode must be" in ended.stdout
    assert not (bash.folder / "said").exists()


# ------------------------------------------------------------------------------------ what it says


@pytest.fixture
def project(bash):
    """A project with the recorded measurement and its baselines, and the real gate."""
    bash.real_python()
    (bash.folder / "pyproject.toml").write_text("[tool.gate]\n")
    shutil.copytree(ROOT / "baselines", bash.folder / "baselines")
    shutil.copy(RECORDED, bash.folder / "run.json")
    return bash


def test_a_verdict_is_told_in_outputs_and_in_the_summary(project):
    ended = act(project, MODE="judge", MEASUREMENT="run.json")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    outputs = project.outputs()
    verdict = json.loads(Path(outputs["json"]).read_text())
    assert (outputs["verdict"], outputs["exit-code"]) == ("passed", "0")
    assert outputs["findings"] == str(len(verdict["findings"]))
    assert (outputs["failed"], outputs["accepted"]) == ("0", "0")
    assert outputs["not-checked"] == str(len(verdict["not_checked"]))
    assert outputs["measurement"] == str(project.folder / "run.json")
    assert project.summary() == Path(outputs["report"]).read_text()
    assert set(outputs) == set(parsed(ACTION.read_text())["outputs"])


def test_what_fails_ends_with_the_gate_s_own_code_and_is_annotated(project):
    document = json.loads(RECORDED.read_text())
    for result in document["results"]:
        if "process_medians_ns" in result["timing"]:
            medians = result["timing"]["process_medians_ns"]
            result["timing"]["process_medians_ns"] = [m * 1.1 for m in medians]
    (project.folder / "run.json").write_text(json.dumps(document))
    ended = act(project, MODE="judge", MEASUREMENT="run.json")
    outputs = project.outputs()
    assert ended.returncode == int(outputs["exit-code"]) == ExitCode[outputs["verdict"].upper()]
    assert ended.returncode != 0
    assert int(outputs["failed"]) > 0
    assert "::error file=" in ended.stdout
    assert "### FAILED" in project.summary()


def test_the_base_s_baselines_judge_where_they_are_named(project):
    (project.folder / "baselines").rename(project.folder / "elsewhere")
    known = {"MODE": "judge", "MEASUREMENT": "run.json"}
    assert act(project, **known).returncode == 7
    assert act(project, **known, BASELINES="elsewhere").returncode == 0


@pytest.mark.parametrize(
    ("code", "verdict"), [(2, "usage"), (6, "environment"), (1, "crashed"), (137, "crashed")]
)
def test_an_end_without_a_verdict_is_told(bash, code, verdict):
    noting(bash, code)
    for left in ("verdict.json", "run.json"):
        (bash.folder / "gate" / left).write_text("of an earlier run")
    ended = act(bash)
    assert ended.returncode == code
    assert bash.outputs() == {"exit-code": str(code), "verdict": verdict}
    assert f"::error::gate check ended with exit code {code}" in ended.stdout
    assert "without a verdict" in bash.summary()


def test_the_page_on_the_action_names_what_it_has():
    page = (ROOT / "docs" / "workflows.md").read_text()
    action = parsed(ACTION.read_text())
    table = re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE)
    assert table == list(action["inputs"])
    said = page.partition("Outputs: ")[2].partition("\n\n")[0]
    assert all(f"`{name}`" in said for name in action["outputs"])
    examples = re.findall(r"gate@SHA\n +with:\n((?: {10}.*\n)+)", page)
    used = {name for example in examples for name in parsed(example)}
    assert len(examples) == 3
    assert used <= set(action["inputs"])


def test_the_action_s_paths_lead_to_the_scripts():
    for used in parsed(ACTION.read_text())["runs"]["steps"]:
        (path,) = re.findall(r'"\$GITHUB_ACTION_PATH/([^"]+)"', used["run"])
        assert (ACTION.parent / path).is_file()
