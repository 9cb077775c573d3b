"""The refresh: what is planned, what the card's machine is told, what becomes a pull request."""

import subprocess
import sys
import zipfile

import pytest

from tests.workflows.recorded import CARD
from tests.workflows.running import BASE, HEAD, SCRIPTS, step, workflow

REFRESH = workflow("refresh.yml")
REASON = "bounds are checked now"
KNOWN = {"CARD": CARD, "HEAD": HEAD, "KERNELS": "conv_h relu", "REASON": REASON}


# ------------------------------------------------------------------------------ what is planned


def plan(bash, **env):
    bash.github(["git/ref/heads/", {"object": {"sha": HEAD}}])
    known = {"BASE": BASE, "BRANCH": "feature/x", "KERNELS": "conv_h relu", "NUMBER": ""}
    return bash(step(REFRESH, "plan", "One base, one head"), **{**known, **env})


def test_the_plan_finds_the_branch_s_commit_once(bash):
    assert plan(bash, NUMBER="12").returncode == 0
    assert bash.outputs() == {"base": BASE, "head": HEAD}
    assert "repos/o/r/git/ref/heads/feature/x" in bash.call("git/ref")


@pytest.mark.parametrize(
    "asked",
    [
        {"KERNELS": ""},
        {"KERNELS": "conv_h; id"},
        {"KERNELS": "../x"},
        {"KERNELS": "--all"},
        {"KERNELS": "conv_h\nhead=x"},
        {"NUMBER": "12/merge"},
        {"NUMBER": "12\nhead=x"},
        {"BRANCH": ""},
        {"BRANCH": "../../actions/secrets"},
        {"BRANCH": "x?y=z"},
        {"BRANCH": "-x"},
    ],
)
def test_what_is_not_a_name_is_refused_before_github_is_asked(bash, asked):
    assert plan(bash, **asked).returncode != 0
    assert bash.calls() == []
    assert bash.outputs() == {}


@pytest.mark.parametrize("answer", [None, {"object": {"sha": "main"}}, []])
def test_a_branch_that_is_not_there_is_refused(bash, answer):
    bash.github(["git/ref/heads/", answer])
    script = step(REFRESH, "plan", "One base, one head")
    ended = bash(script, BASE=BASE, BRANCH="x", KERNELS="relu", NUMBER="")
    assert ended.returncode != 0
    assert bash.outputs() == {}


# ----------------------------------------------------------------------------- what is measured


def git(folder, *arguments):
    command = ["git", "-c", "user.name=Ada", "-c", "user.email=a@example.org", *arguments]
    ended = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return ended.stdout.strip()


@pytest.mark.parametrize("link", [False, True])
def test_the_configuration_is_the_base_s_and_the_tree_counts_as_clean(bash, link):
    harness, candidate = bash.folder / "harness", bash.folder / "candidate"
    for tree in (harness, candidate):
        tree.mkdir()
        (tree / "pyproject.toml").write_text(tree.name)
    if link:
        (candidate / "pyproject.toml").unlink()
        (candidate / "pyproject.toml").symlink_to("../harness/other")
    git(candidate, "init", "--quiet")
    git(candidate, "add", "--all")
    git(candidate, "commit", "--quiet", "--message", "x")
    assert bash(step(REFRESH, "measure", "Configuration, from the base")).returncode == 0
    assert (candidate / "pyproject.toml").read_text() == "harness"
    assert not (candidate / "pyproject.toml").is_symlink()
    assert sorted(path.name for path in harness.iterdir()) == ["pyproject.toml"]
    assert git(candidate, "status", "--porcelain") == ""


def refresh(bash, code=0, **env):
    """With a stand-in for the gate that notes its arguments and writes each kernel's baseline."""
    scripts = bash.folder / "harness" / ".github" / "scripts"
    scripts.mkdir(parents=True)
    noting = f'printf "%s\\n" "$@" > "{bash.folder}/said"; exit {code}'
    (scripts / "gate.sh").write_text(noting)
    (bash.folder / "candidate").mkdir()
    folder = bash.folder / "harness" / "baselines" / CARD
    folder.mkdir(parents=True)
    for name in ("conv_h", "relu", "other"):
        (folder / f"{name}.json").write_text(name)
    known = {"BASE": BASE, "CARD": CARD, "KERNELS": "conv_h relu", "REASON": REASON}
    script = step(REFRESH, "measure", "Refresh")
    return bash(script, cwd="candidate", **{**known, "ACCEPT": "", "ANCHOR": "", **env})


def test_the_gate_is_told_what_was_asked_for(bash):
    hostile = '--accept-regression $(touch x) "'
    assert refresh(bash, REASON=hostile).returncode == 0
    baselines = bash.folder / "harness" / "baselines"
    assert (bash.folder / "said").read_text().splitlines() == [
        *("baseline", "refresh", "--gpu", "require", "--base", BASE),
        *("--baselines", str(baselines), f"--reason={hostile}", "--", "conv_h", "relu"),
    ]
    assert not list(bash.folder.rglob("x"))
    refreshed = bash.folder / "refreshed"
    assert sorted(path.name for path in refreshed.iterdir()) == ["conv_h.json", "relu.json"]


def test_what_is_accepted_is_handed_on(bash):
    assert refresh(bash, ACCEPT="--accept-regression", ANCHOR="--new-anchor").returncode == 0
    said = (bash.folder / "said").read_text().splitlines()
    assert said.index("--accept-regression") < said.index("--new-anchor") < said.index("--")


def test_a_refresh_that_the_gate_refuses_hands_nothing_on(bash):
    assert refresh(bash, code=3).returncode == 3
    assert not list((bash.folder / "refreshed").iterdir())


# ----------------------------------------------------------------------------- what comes back


@pytest.mark.parametrize("results", ["success failure", "failure skipped", "success cancelled", ""])
def test_a_refresh_that_did_not_measure_is_red(bash, results):
    script = step(REFRESH, "propose", "It was planned and measured")
    assert bash(script, RESULTS=results).returncode != 0
    assert bash(script, RESULTS="success success").returncode == 0


def fetch(bash, members):
    bash.checkout()
    with zipfile.ZipFile(bash.folder / "sent.zip", "w") as archive:
        for name, text in members:
            archive.writestr(name, text)
    listed = {"artifacts": [{"id": 5, "size_in_bytes": 100}]}
    bash.github(["artifacts?name=refreshed-2", listed], ["artifacts/5/zip", "sent.zip"])
    return bash(step(REFRESH, "propose", "Fetch the baselines"), **KNOWN)


def test_each_baseline_is_unpacked_under_the_name_that_was_asked_for(bash):
    ended = fetch(bash, [("relu.json", "r"), ("conv_h.json", "c")])
    assert ended.returncode == 0, ended.stderr
    refreshed = bash.folder / "refreshed"
    assert (refreshed / "relu" / CARD / "relu.json").read_text() == "r"
    assert (refreshed / "conv_h" / CARD / "conv_h.json").read_text() == "c"


@pytest.mark.parametrize(
    "members",
    [
        [("conv_h.json", "")],
        [("conv_h.json", ""), ("relu.json", ""), ("more.json", "")],
        [("conv_h.json", ""), ("../relu.json", "")],
        [("conv_h.json", ""), ("refreshed/relu.json", "")],
    ],
)
def test_an_archive_of_anything_else_unpacks_nothing(bash, members):
    ended = fetch(bash, members)
    assert ended.returncode == 1
    assert "nothing else" in ended.stderr
    assert not list(bash.folder.rglob("*.json.*"))
    assert not [file for file in (bash.folder / "refreshed").rglob("*") if file.is_file()]


def test_a_member_that_is_there_twice_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.json", "1")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a.json", "2")
    command = [sys.executable, "-I", SCRIPTS / "measurement.py", "unpack", "a.zip", "a.json"]
    assert subprocess.run([*command, "b.json"], cwd=tmp_path, capture_output=True).returncode == 1
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 1


# ------------------------------------------------------------------------------ what is proposed


def propose(bash, *first, **env):
    bash.checkout()
    for name in ("conv_h", "relu"):
        (bash.folder / f"report-{name}.md").write_text(f"### report of {name}")
    bash.github(
        *first,
        ["git/blobs", {"sha": "9" * 40}],
        [f"git/commits/{HEAD}", {"tree": {"sha": "d" * 40}}],
        ["git/trees", {"sha": "e" * 40}],
        ["git/commits", {"sha": "f" * 40}],
        ["git/refs", {}],
        ["pulls", {"number": 31}],
    )
    known = {**KNOWN, "TARGET": "feature/x", "NUMBER": "12"}
    return bash(step(REFRESH, "propose", "Propose them"), **{**known, **env})


def fields(call):
    return [call[i + 1] for i, word in enumerate(call) if word in ("-f", "-F")]


def test_one_commit_on_top_of_what_was_measured_becomes_a_pull_request(bash):
    ended = propose(bash)
    assert ended.returncode == 0, ended.stderr
    tree = fields(bash.call("git/trees"))
    assert tree[0] == f"base_tree={'d' * 40}"
    assert tree[1:5] == [
        f"tree[][path]=baselines/{CARD}/conv_h.json",
        "tree[][mode]=100644",
        "tree[][type]=blob",
        f"tree[][sha]={'9' * 40}",
    ]
    assert f"tree[][path]=baselines/{CARD}/relu.json" in tree
    assert "-F" not in bash.call("git/trees")
    blobs = [fields(call) for call in bash.calls() if "git/blobs" in " ".join(call)]
    assert [blob[1] for blob in blobs] == [
        f"content=@baselines/{CARD}/{name}.json" for name in ("conv_h", "relu")
    ]
    commit = fields(bash.call("-f message="))
    assert commit[0] == f"message=Refresh the baselines of conv_h relu\n\n{REASON}"
    assert commit[1:] == [f"tree={'e' * 40}", f"parents[]={HEAD}"]
    assert fields(bash.call("git/refs")) == ["ref=refs/heads/gate-refresh/7-2", f"sha={'f' * 40}"]
    pull = fields(bash.call("/pulls"))
    assert pull[1:] == ["head=gate-refresh/7-2", "base=feature/x", "body=@body.md"]
    assert bash.outputs() == {"opened": "31"}


def test_the_pull_request_says_why_what_changes_and_what_to_do(bash):
    propose(bash)
    body = (bash.folder / "body.md").read_text()
    assert f"`{HEAD}`" in body
    assert "for #12" in body
    assert f"\n    {REASON}\n" in body
    assert "access approves the runs" in body
    assert body.index("report of conv_h") < body.index("report of relu")
    assert "report of relu" in bash.summary()


def test_a_reason_is_code_in_the_body_whatever_it_says(bash):
    reason = "```\n@everyone #1\n<b>\r@ada \r\n#2"
    assert propose(bash, REASON=reason, NUMBER="").returncode == 0
    body = (bash.folder / "body.md").read_bytes().decode()
    assert "\n    ```\n    @everyone #1\n    <b>\n    @ada \n    \n    #2\n" in body
    assert "for #" not in body


def test_a_report_that_is_too_long_leaves_the_body_whole(bash):
    bash.checkout()
    for name, text in (("about", "why"), ("report-a", "x" * 70_000), ("report-b", "short")):
        (bash.folder / f"{name}.md").write_text(text)
    command = "python3 -I .github/scripts/joined.py about.md report-a.md report-b.md gone.md"
    ended = bash(command)
    assert len(ended.stdout) < 65_536
    assert ended.stdout.split("\n\n") == [
        "why",
        "The report-a is too long for this place; the run's summary has it.",
        "short",
        "There is no gone.\n",
    ]


def test_what_is_stored_already_is_not_proposed(bash):
    ended = propose(bash, ["git/trees", {"sha": "d" * 40}])
    assert ended.returncode == 1
    assert "what is stored" in ended.stdout
    assert not [call for call in bash.calls() if "git/refs" in " ".join(call)]


@pytest.mark.parametrize("part", ["git/blobs", "git/trees", "-f message=", "git/refs", "/pulls"])
def test_a_pull_request_that_cannot_be_opened_is_red(bash, part):
    assert propose(bash, [part, None]).returncode != 0
    assert bash.outputs() == {}


def test_nothing_is_proposed_that_was_not_verified():
    names = [step.get("name") for step in REFRESH["jobs"]["propose"]["steps"]]
    before, after = names.index("Verify them"), names.index("Propose them")
    assert before < after
    for step_ in REFRESH["jobs"]["propose"]["steps"][: after + 1]:
        assert "if" not in step_


@pytest.mark.parametrize(
    ("opened", "said"),
    [("31", "merge into this branch: #31"), ("", "No baseline was refreshed: [the run]")],
)
def test_who_asked_is_told_how_it_ended(bash, opened, said):
    bash.github(["issues/12/comments", {}])
    script = step(REFRESH, "propose", "Tell who asked")
    assert bash(script, NUMBER="12", OPENED=opened).returncode == 0
    assert said in bash.call("issues/12/comments")[-1]
    assert bash(script, NUMBER="12/x", OPENED=opened).returncode != 0
