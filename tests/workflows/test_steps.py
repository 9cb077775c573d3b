"""The scripts of the steps, run as GitHub runs them: bash -e, values from the environment."""

import base64
import json
import shutil
import subprocess
import sys
import zipfile

import pytest

from gate.documents import load_binding
from gate.model import Binding
from tests.workflows.acting import git
from tests.workflows.running import BASE, HEAD, MOVED, SCRIPTS, step, workflow

GPU_GATE, CI = workflow("gpu-gate.yml"), workflow("ci.yml")
CARD = "nvidia-geforce-rtx-4090"

# ------------------------------------------------------------------------- what must be reported


@pytest.mark.parametrize("result", ["failure", "cancelled", "skipped", ""])
def test_a_job_that_did_not_succeed_fails_the_check(bash, result):
    script = step(CI, "ci", "Every job succeeded")
    assert bash(script, RESULTS="success success success").returncode == 0
    assert bash(script, RESULTS=f"success {result} success").returncode != 0


ENDS = ("success", "failure", "cancelled", "skipped", "")
REPORTED = {
    ("success", "named", "success"),
    ("success", "all", "success"),
    ("success", "none", "skipped"),
}


@pytest.mark.parametrize("planned", ENDS)
@pytest.mark.parametrize("concerned", ["named", "all", "none", "", "none success", "conv"])
def test_only_the_plan_s_own_word_makes_up_for_a_measurement(bash, planned, concerned):
    script = step(
        GPU_GATE, "judge", "It was planned, and measured where there is something to measure"
    )
    for measured in ENDS:
        ended = bash(script, PLANNED=planned, CONCERNED=concerned, MEASURED=measured)
        assert (ended.returncode == 0) is ((planned, concerned, measured) in REPORTED)


def test_that_no_kernel_is_concerned_is_said_in_the_place_of_a_report(bash):
    from gate.report.markdown import MARKER

    assert bash(f"bash '{SCRIPTS / 'unconcerned.sh'}'").returncode == 0
    marker, verdict, _, said = (bash.folder / "report.md").read_text().splitlines()
    assert (marker, verdict) == (MARKER, "### PASSED")
    assert said.startswith("No kernel is concerned: ")


# ------------------------------------------------------------------------------ what is measured


def test_the_plan_names_one_base_and_one_head(bash):
    assert bash(step(GPU_GATE, "plan", "One base, one head"), BASE=BASE, HEAD=HEAD).returncode == 0
    assert bash.outputs() == {"base": BASE, "head": HEAD}


@pytest.mark.parametrize("head", ["", "main", HEAD[:7], f"{HEAD}\nbase={MOVED}", "$(touch x)"])
def test_a_head_that_is_no_full_sha_is_refused(bash, tmp_path, head):
    assert bash(step(GPU_GATE, "plan", "One base, one head"), BASE=BASE, HEAD=head).returncode != 0
    assert not (tmp_path / "GITHUB_OUTPUT").exists()


@pytest.mark.parametrize(("reviewers", "passes"), [("0", False), ("1", True), ("", False)])
def test_forks_wait_only_where_somebody_is_asked(bash, reviewers, passes):
    ended = bash(step(GPU_GATE, "plan", "Refuse forks where nobody guards them"), ANSWER=reviewers)
    assert (ended.returncode == 0) is passes


@pytest.mark.parametrize(("faults", "passes"), [("0", True), ("3", False), ("", False)])
def test_owners_who_do_not_exist_are_refused(bash, faults, passes):
    ended = bash(step(GPU_GATE, "plan", "Refuse owners who do not exist"), ANSWER=faults)
    assert (ended.returncode == 0) is passes


@pytest.mark.parametrize(("now", "passes"), [(HEAD, True), (MOVED, False), ("", False)])
def test_a_head_that_moved_is_not_judged(bash, now, passes):
    script = step(GPU_GATE, "judge", "The head has not moved")
    assert (bash(script, HEAD=HEAD, NUMBER="3", ANSWER=now).returncode == 0) is passes


def planned(bash, said, code=0):
    """The step's end where `gate plan` says so much and ends so."""
    bash.checkout()
    (bash.folder / "said").write_text(said)
    bash.python(f'#!/bin/sh\nprintf "%s\\n" "$@" > given\ncat said\nexit {code}\n')
    return bash(step(GPU_GATE, "plan", "Which kernels it concerns"), BASE=BASE, HEAD=HEAD)


@pytest.mark.parametrize(
    ("said", "concerned", "kernels"),
    [
        ("kernels=\nwhole=false\n", "none", ""),
        ("kernels=conv\nwhole=false\n", "named", "conv"),
        ("kernels=a_1 b-2\nwhole=false\n", "named", "a_1 b-2"),
        ("kernels=conv relu\nwhole=true\n", "all", "conv relu"),
        ("kernels=\nwhole=true\n", "all", ""),
    ],
)
def test_the_plan_says_in_a_word_what_is_concerned(bash, said, concerned, kernels):
    assert planned(bash, said).returncode == 0
    assert bash.outputs() == {"concerned": concerned, "kernels": kernels}
    given = (bash.folder / "given").read_text().split()
    assert given == ["-I", "-m", "gate", "plan", "--base", BASE, "--head", HEAD]


@pytest.mark.parametrize(
    "said",
    [
        "",
        "kernels=\n",
        "whole=false\n",
        "kernels=\nwhole=\n",
        "kernels=\nwhole=no\n",
        "kernels=\nkernels=conv\nwhole=false\n",
        "kernels=\nwhole=false\nconcerned=none\n",
        "kernels=$(touch x)\nwhole=false\n",
        "a warning\nkernels=\nwhole=false\n",
    ],
)
def test_a_plan_that_says_anything_else_is_none(bash, said):
    assert planned(bash, said).returncode != 0
    assert bash.outputs() == {}


def test_a_plan_that_failed_is_none(bash):
    assert planned(bash, "kernels=\nwhole=false\n", code=7).returncode == 7
    assert bash.outputs() == {}


def test_the_token_fetches_the_head_and_stays_nowhere(bash):
    bash.program("git", '#!/bin/sh\nprintf "%s\\n" "$@" > given\nenv | grep ^GIT_ > known\n')
    script = step(GPU_GATE, "plan", "Fetch the head")
    ended = bash(f"{script}\nenv > after", HEAD=HEAD, GH_TOKEN="the-token")
    assert ended.returncode == 0, ended.stderr
    given = (bash.folder / "given").read_text().split()
    assert (given[0], given[-2:]) == ("fetch", ["origin", HEAD])
    login = base64.b64encode(b"x-access-token:the-token").decode()
    assert sorted((bash.folder / "known").read_text().splitlines()) == [
        "GIT_CONFIG_COUNT=1",
        "GIT_CONFIG_KEY_0=http.https://h/.extraheader",
        f"GIT_CONFIG_VALUE_0=AUTHORIZATION: basic {login}",
    ]
    assert login not in f"{given}{ended.stdout}{ended.stderr}{(bash.folder / 'after').read_text()}"


def test_fetched_objects_become_no_files(bash, project):
    head = project.propose([lambda tree: (tree / "evil").write_text("x")])
    git("clone", "--quiet", str(project.origin), "clone", cwd=bash.folder)
    before = (bash.folder / "clone" / ".git" / "config").read_text()
    script = step(GPU_GATE, "plan", "Fetch the head")
    ended = bash(script, cwd="clone", HEAD=head, GH_TOKEN="the-token")
    assert ended.returncode == 0, ended.stderr
    assert git("cat-file", "-t", head, cwd=bash.folder / "clone") == "commit"
    assert not (bash.folder / "clone" / "evil").exists()
    assert (bash.folder / "clone" / ".git" / "config").read_text() == before


def ran(bash, job, name, **env):
    """What the gate was given by a step, or None where the step did not get so far."""
    bash.checkout()
    shutil.copytree(
        bash.folder / ".github", bash.folder / "harness" / ".github", dirs_exist_ok=True
    )
    (bash.folder / "candidate").mkdir(exist_ok=True)
    given = bash.folder / "given"
    bash.python(f'#!/bin/sh\nprintf "%s\\n" "$@" > "{given}"\n')
    cwd = "candidate" if job == "measure" else "."
    ended = bash(step(GPU_GATE, job, name), cwd=cwd, BASE=BASE, CARD=CARD, **env)
    assert (ended.returncode == 0) is given.exists(), ended.stderr
    return given.read_text().split()[3:] if given.exists() else None


MEASURED_OR_JUDGED = [("measure", "Measure"), ("judge", "Judge")]


def test_the_concerned_kernels_are_measured_and_demanded_by_name(bash):
    env = {"CONCERNED": "named", "KERNELS": "conv relu"}
    assert ran(bash, "measure", "Measure", **env)[-3:] == ["--", "conv", "relu"]
    judged = ran(bash, "judge", "Judge", **env)
    assert judged[:4] == ["judge", "run.json", "--require=conv", "--require=relu"]
    assert "--all" not in judged


def test_all_are_measured_and_demanded_where_it_cannot_be_told_by_kernel(bash):
    for kernels in ("", "conv relu"):
        env = {"CONCERNED": "all", "KERNELS": kernels}
        assert ran(bash, "measure", "Measure", **env)[-1] == "--"
        judged = ran(bash, "judge", "Judge", **env)
        assert judged[:4] == ["judge", "run.json", "--all", "--gpu"]


@pytest.mark.parametrize(("job", "name"), MEASURED_OR_JUDGED)
@pytest.mark.parametrize("concerned", ["named", "", "none"])
def test_a_plan_without_names_is_neither_measured_nor_judged(bash, job, name, concerned):
    assert ran(bash, job, name, CONCERNED=concerned, KERNELS="") is None


def test_of_the_candidate_only_the_kernels_steer_the_measurement(bash, tmp_path):
    for tree in ("harness", "candidate"):
        (tmp_path / tree / "kernels").mkdir(parents=True)
        (tmp_path / tree / "kernels" / "kernel.py").write_text(tree)
        (tmp_path / tree / "pyproject.toml").write_text(tree)
    (tmp_path / "harness" / "baselines").mkdir()
    (tmp_path / "candidate" / "baselines").symlink_to(tmp_path)
    assert (
        bash(step(GPU_GATE, "measure", "Baselines and configuration, from the base")).returncode
        == 0
    )
    candidate = tmp_path / "candidate"
    assert (candidate / "pyproject.toml").read_text() == "harness"
    assert not (candidate / "baselines").is_symlink()
    assert (candidate / "kernels" / "kernel.py").read_text() == "candidate"
    assert (tmp_path / "harness").is_dir()


# ------------------------------------------------------------------------------- what comes back


def measurement(*arguments, stdin=""):
    command = [sys.executable, "-I", str(SCRIPTS / "measurement.py"), *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("artifacts", "said"),
    [
        ([{"id": 5, "size_in_bytes": 100}], None),
        ([], "not 0"),
        ([{"id": 5, "size_in_bytes": 1}, {"id": 6, "size_in_bytes": 1}], "not 2"),
        ([{"id": 5, "size_in_bytes": 2**40}], "more than"),
        ([{"id": "5; rm", "size_in_bytes": 1}], "invalid literal"),
    ],
)
def test_one_artifact_of_a_bounded_size_is_fetched(artifacts, said):
    ended = measurement("listed", stdin=json.dumps({"artifacts": artifacts}))
    assert (ended.returncode, ended.stdout) == ((1, "") if said else (0, "5\n"))
    assert (said or "") in ended.stderr


def test_both_sides_say_in_the_same_words_which_run_it_is(bash, tmp_path):
    ours = step(GPU_GATE, "judge", "Which run this is")
    assert step(GPU_GATE, "measure", "Which run this is") == ours.replace(" ", " harness/")
    bash.checkout()
    assert bash(ours, BASE=BASE, HEAD=HEAD).returncode == 0
    said = load_binding(tmp_path / "binding.json")
    assert said == Binding(head_sha=HEAD, base_sha=BASE, nonce="7-2", run="7/2")


def tree(*entries, truncated=False):
    plain = {"mode": "100644", "sha": "d" * 40, "size": 10}
    return json.dumps({"truncated": truncated, "tree": [{**plain, **entry} for entry in entries]})


def proposed(answer):
    command = [sys.executable, "-I", str(SCRIPTS / "proposed.py"), f"baselines/{CARD}"]
    return subprocess.run(command, input=answer, capture_output=True, text=True)


def test_the_head_s_baselines_of_this_card_are_listed():
    ended = proposed(
        tree(
            {"path": f"baselines/{CARD}", "mode": "040000"},
            {"path": f"baselines/{CARD}/conv_h.json"},
            {"path": "baselines/sm_89/conv_h.json"},
            {"path": f"x/baselines/{CARD}/conv_h.json"},
            {"path": "README.md", "mode": "120000"},
        )
    )
    assert (ended.returncode, ended.stdout) == (0, f"{'d' * 40} conv_h.json\n")


@pytest.mark.parametrize(
    "entry",
    [
        {"path": f"baselines/{CARD}/conv.json", "mode": "120000"},
        {"path": f"baselines/{CARD}/conv.json", "mode": "160000"},
        {"path": f"baselines/{CARD}/conv", "mode": "040000"},
        {"path": f"baselines/{CARD}/$(touch x).json"},
        {"path": f"baselines/{CARD}/.json"},
        {"path": f"baselines/{CARD}/a\nb.json"},
        {"path": f"baselines/{CARD}/conv.json", "sha": "../x"},
        {"path": f"baselines/{CARD}/conv.json", "size": 2**40},
    ],
)
def test_a_hostile_tree_proposes_nothing(entry):
    ended = proposed(tree({"path": f"baselines/{CARD}/a.json"}, entry))
    assert (ended.returncode, ended.stdout) == (1, "")


def test_a_tree_that_is_not_whole_proposes_nothing():
    assert proposed(tree(truncated=True)).returncode == 1


def test_the_head_s_baselines_are_fetched_at_its_sha(bash, tmp_path):
    (tmp_path / ".github").mkdir()
    (tmp_path / ".github" / "scripts").symlink_to(SCRIPTS)
    script = step(GPU_GATE, "judge", "Fetch the baselines that the head proposes")
    answer = tree({"path": f"baselines/{CARD}/conv.json"})
    env = {"HEAD": HEAD, "CARD": CARD, "CONCERNED": "all", "KERNELS": ""}
    assert bash(script, ANSWER=answer, **env).returncode == 0
    assert (tmp_path / "proposed" / CARD / "conv.json").read_text() == answer
    calls = (tmp_path / "calls").read_text()
    assert f"git/trees/{HEAD}?recursive=1" in calls
    assert f"git/blobs/{'d' * 40}" in calls
    assert bash(script, ANSWER=tree(truncated=True), **env).returncode != 0


def test_only_the_concerned_kernels_baselines_are_proposed(bash, tmp_path):
    bash.checkout()
    script = step(GPU_GATE, "judge", "Fetch the baselines that the head proposes")
    names = ("a", "conv", "conv_h", "relu")
    answer = tree(*({"path": f"baselines/{CARD}/{name}.json"} for name in names))
    env = {"HEAD": HEAD, "CARD": CARD, "CONCERNED": "named", "KERNELS": "a conv_h"}
    assert bash(script, ANSWER=answer, **env).returncode == 0
    fetched = sorted(file.name for file in (tmp_path / "proposed" / CARD).iterdir())
    assert fetched == ["a.json", "conv_h.json"]


def archive(path, *members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content, mode in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            file.writestr(info, content, zipfile.ZIP_DEFLATED)
    return path


def test_the_one_plain_file_is_unpacked(tmp_path):
    file = archive(tmp_path / "a.zip", ("run.json", "{}", 0o100644))
    assert measurement("unpack", file, tmp_path / "run.json").returncode == 0
    assert (tmp_path / "run.json").read_text() == "{}"


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ([], "nothing else"),
        ([("../run.json", "{}", 0)], "nothing else"),
        ([("/etc/run.json", "{}", 0)], "nothing else"),
        ([("run.json", "{}", 0), (".git/config", "", 0)], "nothing else"),
        ([("run.json", "/etc/passwd", 0o120777)], "no plain file"),
        ([("run.json", bytes(40 * 1024 * 1024), 0)], "more than"),
    ],
    ids=["empty", "upwards", "absolute", "a second file", "a link", "a bomb"],
)
def test_a_hostile_archive_leaves_nothing(tmp_path, members, said):
    file = archive(tmp_path / "a.zip", *members)
    ended = measurement("unpack", file, tmp_path / "run.json")
    assert ended.returncode == 1
    assert said in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


# --------------------------------------------------------------------------------- what is said


def publish(bash, **env):
    known = {"HEAD": HEAD, "BASE": BASE, "STATUS": "success", "NUMBER": "3", "ANSWER": ""}
    ended = bash(f"bash '{SCRIPTS / 'publish.sh'}'", **{**known, **env})
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(
    ("status", "conclusion"),
    [("success", "success"), ("failure", "failure"), ("cancelled", "failure"), ("", "failure")],
)
def test_the_verdict_stands_at_the_commit_that_was_measured(bash, tmp_path, status, conclusion):
    publish(bash, STATUS=status)
    (check,) = (
        line for line in (tmp_path / "calls").read_text().splitlines() if "check-runs" in line
    )
    assert f"head_sha={HEAD} " in check
    assert f"conclusion={conclusion} " in check


def test_a_pull_request_gets_one_comment(bash, tmp_path):
    (tmp_path / "report.md").write_text("<!-- gpu-regression-gate -->\n### PASSED\n")
    publish(bash)
    publish(bash, ANSWER="41\n42\n")
    calls = (tmp_path / "calls").read_text()
    assert calls.count("repos/o/r/issues/3/comments --silent -F body=@report.md") == 1
    assert "repos/o/r/issues/comments/41 --silent --method PATCH" in calls
    assert "### PASSED" in (tmp_path / "GITHUB_STEP_SUMMARY").read_text()


def test_without_a_pull_request_nothing_is_commented(bash, tmp_path):
    publish(bash, NUMBER="")
    assert "comments" not in (tmp_path / "calls").read_text()
    assert "There is no verdict" in (tmp_path / "GITHUB_STEP_SUMMARY").read_text()


def test_the_comment_is_found_by_the_report_s_first_line():
    from gate.report.markdown import MARKER

    assert f"marker='{MARKER}'" in (SCRIPTS / "publish.sh").read_text()
