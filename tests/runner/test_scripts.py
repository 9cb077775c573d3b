"""The runner's scripts against a folder for `/` and commands that only note their calls."""

import json
import os
import shutil
import subprocess
import tarfile
from hashlib import sha256
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / ".github" / "runner"
ALL = sorted(SCRIPTS.glob("*.sh"))
PROGRAMS = [file.name for file in ALL if file.name != "common.sh"]
NOTED = [
    "apt-get",
    "apt-mark",
    "dpkg",
    "systemctl",
    "useradd",
    "update-initramfs",
    "nvidia-smi",
    "chown",
    "getent",
]
TOKEN = "github_pat_SECRET"
JIT = "eyJzZWNyZXQiOiJqaXQifQ=="
# Notes its name and arguments, and what it was given to read, in files of their own.
STUB = '#!/bin/sh\nprintf "%s\\n" "${0##*/} $*" >> "$CALLS"\n'
CURL = (
    STUB
    + """\
env >> "$CALLS.env"
case "$*" in
  *generate-jitconfig*) cat > "$CALLS.stdin"; printf '%s' "$ANSWER" ;;
  *--output*) while [ "$1" != --output ]; do shift; done; cp "$TARBALL" "$2" ;;
esac
"""
)
# Installed is what a call of apt-get has installed.
DPKG_QUERY = """\
#!/bin/sh
for package; do :; done
grep -q "apt-get install.* $package\\( \\|$\\)" "$CALLS" && printf installed
"""


class Host:
    """A made-up machine: its files, its commands, and what was called."""

    def __init__(self, folder):
        self.root = folder / "root"
        self.calls_file = folder / "calls"
        self.calls_file.touch()
        self.tools = folder / "bin"
        self.tools.mkdir()
        for name in NOTED:
            self.stub(name, STUB)
        self.stub("curl", CURL)
        self.stub("dpkg-query", DPKG_QUERY)
        self.env = {"ANSWER": json.dumps({"encoded_jit_config": JIT})}
        self.file("/etc/os-release", 'ID=ubuntu\nVERSION_ID="24.04"\n')
        self.env["TARBALL"] = str(self.tarball(folder / "runner.tar.gz"))
        self.configure()
        self.file("/etc/gate-runner/token", f"{TOKEN}\n").chmod(0o600)

    def stub(self, name, text):
        (self.tools / name).write_text(text)
        (self.tools / name).chmod(0o755)

    def file(self, path, text):
        file = self.root / path[1:]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def tarball(self, path):
        program = path.parent / "run.sh"
        program.write_text('#!/bin/sh\nenv > "$HOME/env"\nls -A "$HOME" ..\n')
        program.chmod(0o755)
        with tarfile.open(path, "w:gz") as archive:
            archive.add(program, "run.sh")
        return path

    def configure(self, **changed):
        known = dict(
            line.split("=", 1)
            for line in (SCRIPTS / "runner.conf.example").read_text().splitlines()
            if not line.startswith("#")
        )
        digest = sha256(Path(self.env["TARBALL"]).read_bytes()).hexdigest()
        known |= {"REPOSITORY": "o/r", "REGISTER_AT": "repos/o/r"}
        known |= {"RUNNER_VERSION": "2.330.0", "RUNNER_SHA256": digest}
        lines = (f"{name}={value}\n" for name, value in {**known, **changed}.items())
        self.file("/etc/gate-runner/runner.conf", "".join(lines))

    def run(self, script, *arguments, **env):
        return subprocess.run(
            ["bash", str(SCRIPTS / script), *arguments],
            env={
                "PATH": f"{self.tools}:{os.environ['PATH']}",
                "ROOT": str(self.root),
                "CALLS": str(self.calls_file),
                **self.env,
                **env,
            },
            capture_output=True,
            text=True,
            timeout=60,
        )

    def runs(self, script, *arguments, **env):
        ended = self.run(script, *arguments, **env)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    @property
    def calls(self):
        return self.calls_file.read_text()

    def tree(self):
        files = (path for path in self.root.rglob("*") if path.is_file())
        return {str(file.relative_to(self.root)): file.read_bytes() for file in files}


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


# ------------------------------------------------------------------------------ every script


@pytest.mark.parametrize("file", ALL, ids=lambda file: file.name)
def test_a_script_stops_at_its_first_fault(file):
    text = file.read_text()
    assert file.name == "common.sh" or "\nset -euo pipefail\n" in text
    assert subprocess.run(["bash", "-n", str(file)]).returncode == 0


@pytest.mark.parametrize("script", sorted(set(PROGRAMS) - {"job-started.sh"}))
def test_a_dry_run_changes_nothing_and_calls_nothing(host, script):
    before = host.tree()
    said = host.runs(script, "--dry-run")
    assert "would " in said
    assert host.tree() == before
    changing = [line for line in host.calls.splitlines() if not line.startswith(("getent", "nv"))]
    assert changing == []
    assert TOKEN not in said


@pytest.mark.parametrize("script", sorted(set(PROGRAMS) - {"job-started.sh"}))
@pytest.mark.parametrize("arguments", [["--force"], ["--dry-run", "x"]])
def test_a_wrong_option_does_nothing(host, script, arguments):
    assert host.run(script, *arguments).returncode == 2
    assert host.calls == ""


# ------------------------------------------------------------------------------------ the host


def test_a_host_is_set_up_and_asks_for_a_reboot(host):
    assert "reboot now" in host.runs("setup-host.sh")
    etc = host.root / "etc"
    assert (etc / "modprobe.d/gate-counters.conf").read_text() == (
        "options nvidia NVreg_RestrictProfilingToAdminUsers=0\n"
    )
    unit = (etc / "systemd/system/gate-gpu.service").read_text()
    assert "--lock-gpu-clocks=2235,2235\n" in unit
    assert "ExecStop=/usr/bin/nvidia-smi --reset-gpu-clocks\n" in unit
    assert "ubuntu2404/x86_64/cuda-keyring" in host.calls
    assert "update-initramfs -u -k all\n" in host.calls
    assert "systemctl enable gate-gpu.service\n" in host.calls


def test_a_second_setup_of_the_host_has_nothing_to_do(host):
    host.runs("setup-host.sh")
    host.file("/proc/driver/nvidia/params", "RmProfilingAdminOnly: 0\n")
    before, host.calls_before = host.tree(), len(host.calls)
    assert "this host is set up" in host.runs("setup-host.sh")
    assert host.tree() == before
    assert host.calls[host.calls_before :] == ""


def test_another_clock_is_put_in_the_place_of_the_first(host):
    host.runs("setup-host.sh")
    host.runs("setup-host.sh", SM_CLOCK_MHZ="1500")
    unit = (host.root / "etc/systemd/system/gate-gpu.service").read_text()
    assert "--lock-gpu-clocks=1500,1500\n" in unit
    assert host.calls.count("systemctl restart gate-gpu.service") == 2
    assert host.calls.count("update-initramfs") == 1


def test_an_initramfs_that_failed_is_built_again(host):
    host.stub("update-initramfs", "#!/bin/sh\nexit 1\n")
    assert host.run("setup-host.sh").returncode == 1
    host.stub("update-initramfs", STUB)
    host.runs("setup-host.sh")
    assert "update-initramfs -u -k all\n" in host.calls


@pytest.mark.parametrize(
    ("release", "env"),
    [
        ('ID=debian\nVERSION_ID="12"\n', {}),
        ('ID=ubuntu\nVERSION_ID="20.04"\n', {}),
        ('ID=ubuntu\nVERSION_ID="24.04"\n', {"SM_CLOCK_MHZ": "0; reboot"}),
    ],
)
def test_a_host_of_another_kind_is_left_alone(host, release, env):
    host.file("/etc/os-release", release)
    assert host.run("setup-host.sh", **env).returncode == 1
    assert host.calls == ""


# ---------------------------------------------------------------------------------- the runner


def test_a_runner_is_set_up_once(host):
    host.stub("getent", f"{STUB}exit 2\n")
    host.runs("setup-runner.sh")
    assert "useradd --system --user-group --no-create-home" in host.calls
    assert "--shell /usr/sbin/nologin gate-runner\n" in host.calls
    assert "systemctl restart gate-runner.service\n" in host.calls
    host.stub("getent", STUB)
    before, called = host.tree(), len(host.calls)
    host.runs("setup-runner.sh")
    assert host.tree() == before
    assert host.calls[called:] == "getent passwd gate-runner\n"


def test_other_software_than_the_named_is_not_installed(host):
    host.configure(RUNNER_SHA256="0" * 64)
    ended = host.run("setup-runner.sh")
    assert ended.returncode == 1
    assert "not the runner of" in ended.stderr
    assert not (host.root / "opt/gate-runner/runner").exists()
    assert "systemctl" not in host.calls


@pytest.mark.parametrize(
    "changed",
    [
        {"REPOSITORY": "o/r; reboot"},
        {"REPOSITORY": ""},
        {"EVENTS": "pull_request"},
        {"EVENTS": "pull_request_target push"},
        {"WORKFLOWS": "../x.yml"},
        {"WORKFLOWS": ".github/workflows/gpu-gate.yml ../x.yml"},
        {"WORKFLOWS": ""},
        {"REGISTER_AT": "repos/o/r/../../x"},
        {"RUNNER_GROUP": "1, x: 2"},
        {"RUNNER_VERSION": "latest"},
        {"BRANCH": "main\nBRANCH=other"},
    ],
)
def test_a_configuration_that_says_anything_else_is_refused(host, changed):
    host.configure(**changed)
    assert host.run("setup-runner.sh").returncode == 1
    assert host.calls == ""


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o400])
def test_a_token_that_others_may_read_is_refused(host, mode):
    (host.root / "etc/gate-runner/token").chmod(mode)
    assert host.run("setup-runner.sh").returncode == 1
    assert host.calls == ""


def test_a_user_who_may_become_root_is_refused(host):
    host.file("/etc/sudoers.d/x", "gate-runner ALL=(ALL) NOPASSWD: ALL\n")
    assert "sudoers names" in host.run("setup-runner.sh").stderr
    (host.root / "etc/sudoers.d/x").unlink()
    host.stub("id", '#!/bin/sh\ncase "$1" in -nG) echo gate-runner docker ;; *) echo 0 ;; esac\n')
    assert "may become root" in host.run("setup-runner.sh").stderr


# ------------------------------------------------------------------------------------- one job


def test_the_token_is_handed_over_on_stdin_and_nowhere_else(host):
    host.runs("setup-runner.sh")
    said = host.runs("prepare-job.sh")
    assert Path(f"{host.calls_file}.stdin").read_text() == f"Authorization: Bearer {TOKEN}\n"
    assert "https://api.github.com/repos/o/r/actions/runners/generate-jitconfig" in host.calls
    assert '"runner_group_id":1,"labels":["self-hosted","linux","x64","gpu","rtx-4090"]' in (
        host.calls
    )
    for text in (said, host.calls, Path(f"{host.calls_file}.env").read_text()):
        assert TOKEN not in text
        assert JIT not in text or "ANSWER=" in text
    job = host.root / "var/lib/gate-runner/job"
    assert not any(TOKEN in f.read_text() for f in job.rglob("*") if f.is_file())
    assert (job / "jitconfig").stat().st_mode & 0o777 == 0o400


@pytest.mark.parametrize(
    "answer", ["", "{}", '{"encoded_jit_config": "a b"}', '{"encoded_jit_config": ""}', "<html>"]
)
def test_without_a_registration_there_is_no_job(host, answer):
    host.runs("setup-runner.sh")
    assert host.run("prepare-job.sh", ANSWER=answer).returncode != 0


def test_a_refusal_of_github_ends_the_start(host):
    host.runs("setup-runner.sh")
    host.stub("curl", "#!/bin/sh\nexit 22\n")
    assert host.run("prepare-job.sh").returncode == 22


def test_an_organisation_can_keep_the_runner_in_a_group(host):
    host.configure(REGISTER_AT="orgs/o", RUNNER_GROUP="7")
    host.runs("setup-runner.sh")
    host.runs("prepare-job.sh")
    assert "https://api.github.com/orgs/o/actions/runners/generate-jitconfig" in host.calls
    assert '"runner_group_id":7' in host.calls


def test_shared_memory_of_a_job_is_removed(host):
    host.file("/dev/shm/x", "")
    host.stub("find", STUB)
    host.runs("finish-job.sh")
    assert f"find {host.root}/dev/shm -xdev -mindepth 1 -user gate-runner -delete\n" in host.calls


def test_each_job_finds_an_empty_home_and_leaves_nothing(host):
    host.runs("setup-runner.sh")
    job = host.root / "var/lib/gate-runner/job"
    for _ in range(2):
        host.runs("prepare-job.sh")
        assert list((job / "home").iterdir()) == []
        assert sorted(path.name for path in (job / "runner").iterdir()) == [
            ".gate-version",
            "run.sh",
        ]
        host.runs("run-job.sh")
        assert not (job / "jitconfig").exists()
        seen = (job / "home/env").read_text().splitlines()
        assert f"HOME={job}/home" in seen
        assert f"TRITON_CACHE_DIR={job}/home/triton" in seen
        assert f"ACTIONS_RUNNER_INPUT_JITCONFIG={JIT}" in seen
        assert f"ACTIONS_RUNNER_HOOK_JOB_STARTED={SCRIPTS}/job-started.sh" in seen
        (job / "home/triton").mkdir()
        (job / "runner/run.sh").write_text("owned")
    host.runs("finish-job.sh")
    host.runs("finish-job.sh")
    assert not job.exists()


def test_the_service_keeps_the_job_from_root_and_from_the_token():
    unit = (SCRIPTS / "gate-runner.service").read_text().splitlines()
    for line in (
        "User=gate-runner",
        "NoNewPrivileges=yes",
        "PrivateTmp=yes",
        "ProtectSystem=strict",
        "InaccessiblePaths=/etc/gate-runner",
        "KillMode=control-group",
        "Restart=always",
    ):
        assert line in unit
    as_root = [line for line in unit if "=+" in line]
    assert [line.rpartition("/")[2] for line in as_root] == ["prepare-job.sh", "finish-job.sh"]


# -------------------------------------------------------------------------------- before a job

REF = "o/r/.github/workflows/gpu-gate.yml@refs/heads"
TARGET = {
    "GITHUB_REPOSITORY": "o/r",
    "GITHUB_EVENT_NAME": "pull_request_target",
    "GITHUB_WORKFLOW_REF": f"{REF}/main",
}
QUEUE = {
    "GITHUB_EVENT_NAME": "merge_group",
    "GITHUB_WORKFLOW_REF": f"{REF}/gh-readonly-queue/main/pr-1-abc",
}


@pytest.fixture
def hook(host, tmp_path):
    """Runs the hook as the service does: beside the policy that the set-up wrote."""

    def run(env, *arguments, gpu="exit 0", events=None):
        if events:
            host.configure(EVENTS=events)
        host.runs("setup-runner.sh")
        folder = host.root / "opt/gate-runner/bin"
        (folder / "nvidia-smi").write_text(f"#!/bin/sh\n{gpu}\n")
        (folder / "nvidia-smi").chmod(0o755)
        return subprocess.run(
            ["bash", "-e", str(folder / "job-started.sh"), *arguments],
            env=env,
            capture_output=True,
            text=True,
        )

    return run


def test_the_gate_s_own_workflow_is_allowed(hook):
    ended = hook(TARGET)
    assert (ended.returncode, ended.stdout) == (0, "approved: pull_request_target of o/r\n")
    assert hook(TARGET | {"GITHUB_EVENT_NAME": "workflow_dispatch"}).returncode == 0


@pytest.mark.parametrize(
    "changed",
    [
        {"GITHUB_EVENT_NAME": "pull_request"},
        {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_WORKFLOW_REF": REF[:-5] + "pull/1/merge"},
        {"GITHUB_EVENT_NAME": "push"},
        {"GITHUB_EVENT_NAME": "issue_comment"},
        {"GITHUB_EVENT_NAME": "workflow_dispatch pull_request_target"},
        {"GITHUB_EVENT_NAME": ""},
        {"GITHUB_EVENT_NAME": "*"},
        {"GITHUB_REPOSITORY": "evil/r"},
        {"GITHUB_REPOSITORY": ""},
        {"GITHUB_WORKFLOW_REF": f"{REF}/other"},
        {"GITHUB_WORKFLOW_REF": f"{REF}/main2"},
        {"GITHUB_WORKFLOW_REF": "o/r/.github/workflows/ci.yml@refs/heads/main"},
        {"GITHUB_WORKFLOW_REF": "evil/r/.github/workflows/gpu-gate.yml@refs/heads/main"},
        {"GITHUB_WORKFLOW_REF": REF.replace("heads", "tags") + "/main"},
        {"GITHUB_WORKFLOW_REF": ""},
        QUEUE,
    ],
)
def test_any_other_job_is_refused(hook, changed):
    ended = hook(TARGET | changed)
    assert ended.returncode == 1
    assert ended.stdout.startswith("::error::this runner refuses the job: ")
    assert ended.stdout.count("\n") == 1


@pytest.mark.parametrize("workflow", ["gpu-gate", "refresh", "nightly"])
def test_each_workflow_of_the_gate_is_allowed_on_the_default_branch_alone(hook, workflow):
    reference = REF.replace("gpu-gate", workflow)
    asked = TARGET | {"GITHUB_EVENT_NAME": "schedule"}
    assert hook(asked | {"GITHUB_WORKFLOW_REF": f"{reference}/main"}).returncode == 0
    assert hook(asked | {"GITHUB_WORKFLOW_REF": f"{reference}/main/x"}).returncode == 1


def test_an_event_that_the_policy_does_not_name_is_refused(hook):
    ended = hook(TARGET | {"GITHUB_EVENT_NAME": "schedule"}, events="pull_request_target")
    assert ended.returncode == 1


def test_a_branch_s_name_is_no_pattern(hook, host):
    host.configure(BRANCH="ma")
    assert hook(TARGET).returncode == 1


def test_a_job_without_variables_is_refused(hook):
    assert hook({}).returncode == 1


@pytest.mark.parametrize(
    ("reference", "passes"),
    [
        (QUEUE["GITHUB_WORKFLOW_REF"], True),
        (f"{REF}/gh-readonly-queue/main/", False),
        (f"{REF}/gh-readonly-queue/other/pr-1", False),
        (f"{REF}/main", False),
    ],
)
def test_a_merge_queue_is_allowed_where_it_is_asked_for(hook, reference, passes):
    env = TARGET | QUEUE | {"GITHUB_WORKFLOW_REF": reference}
    ended = hook(env, events="pull_request_target merge_group")
    assert (ended.returncode == 0) is passes


@pytest.mark.parametrize(
    ("gpu", "said"),
    [
        ("printf '17\\n18\\n'", "2 other processes are on the GPU"),
        ("exit 9", "the GPU does not answer"),
    ],
)
def test_a_busy_or_silent_gpu_is_refused(hook, gpu, said):
    ended = hook(TARGET, gpu=gpu)
    assert ended.returncode == 1
    assert said in ended.stdout


def test_without_its_policy_the_hook_refuses_everything(tmp_path):
    shutil.copy(SCRIPTS / "job-started.sh", tmp_path)
    for arguments in ([], ["--dry-run"]):
        command = ["bash", str(tmp_path / "job-started.sh"), *arguments]
        assert subprocess.run(command, env=TARGET, capture_output=True).returncode == 1


def test_the_hook_s_dry_run_tells_what_it_allows(hook):
    said = hook({}, "--dry-run").stdout
    assert "would allow .github/workflows/gpu-gate.yml .github/workflows/refresh.yml" in said
    assert " of o/r at main, on: " in said


def test_the_example_allows_what_the_workflows_ask_for():
    from tests.workflows.policy import WORKFLOWS, jobs, labels, on_gpu, parsed

    text = (SCRIPTS / "runner.conf.example").read_text()
    settings = dict(line.split("=", 1) for line in text.splitlines() if not line.startswith("#"))
    workflows = {f".github/workflows/{f.name}": parsed(f.read_text()) for f in WORKFLOWS.glob("*")}
    measuring = {
        name: workflow
        for name, workflow in workflows.items()
        if any(on_gpu(job) for _, job in jobs(workflow))
    }
    assert set(settings["WORKFLOWS"].split()) == set(measuring)
    for workflow in measuring.values():
        asked = [labels(job) for _, job in jobs(workflow) if on_gpu(job)]
        assert asked == [set(settings["LABELS"].split(","))]
    events = set().union(*(workflow["on"] for workflow in measuring.values()))
    assert set(settings["EVENTS"].split()) | {"merge_group"} == events
