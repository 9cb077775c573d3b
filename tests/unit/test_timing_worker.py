"""The fork server of the timing worker; what its forks measure needs a GPU and is shown there."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

worker = pytest.importorskip("gate.timing_worker")
GOOD = {"samples_ns": {"forward": [1.0]}}


@pytest.fixture
def answer_of(monkeypatch, tmp_path):
    """`answer_of(work)` is what becomes of an order whose fork runs `work(order)`."""
    private = os.open(tmp_path / "private", os.O_CREAT)

    def of(work, *, timeout_s=20.0):
        monkeypatch.setattr(worker, "run_order", work)
        return worker.Fork({"id": 7, "workload": "a", "timeout_s": timeout_s}, private).answer()

    yield of
    os.close(private)


def test_every_order_is_answered_by_a_fork_of_its_own(answer_of):
    answer = answer_of(lambda order: {**GOOD, "pid": os.getpid(), "order": order["workload"]})
    assert (answer["id"], answer["order"]) == (7, "a")
    assert answer["pid"] != os.getpid()
    assert not Path(f"/proc/{answer['pid']}").exists()


def test_a_fork_does_not_hold_the_servers_way_to_answer(answer_of):
    def open_files(_order):
        links = Path("/proc/self/fd").iterdir()
        return {"names": [str(link.readlink()) for link in links if link.is_symlink()]}

    names = answer_of(open_files)["names"]
    assert names
    assert not any("private" in name for name in names)


@pytest.mark.parametrize(
    ("end", "says"),
    [
        (lambda _: os.kill(os.getpid(), 9), "it was ended by SIGKILL"),
        (lambda _: os._exit(0), "it exited with 0 before it answered"),
        (lambda _: sys.exit(3), "SystemExit: 3"),
        (lambda _: int("no"), "ValueError"),
        (lambda _: [1, 2], "its answer cannot be read"),
    ],
)
def test_a_fork_that_breaks_is_a_crash(answer_of, end, says):
    answer = answer_of(end)
    assert (answer["id"], answer["failed"]) == (7, "crashed")
    assert says in answer["message"]


def test_a_method_that_fails_says_so(answer_of):
    def work(_order):
        raise worker.methods.MethodFails("it cannot be captured: no")

    answer = answer_of(work)
    assert (answer["failed"], answer["message"]) == ("method", "it cannot be captured: no")


def test_a_fork_that_runs_out_of_memory_says_so(answer_of):
    def work(_order):
        raise worker.torch.OutOfMemoryError("tried to allocate 2 GiB")

    answer = answer_of(work)
    assert (answer["failed"], answer["message"]) == ("out_of_memory", "tried to allocate 2 GiB")


def test_a_fork_that_hangs_is_ended(answer_of):
    started = time.monotonic()
    assert answer_of(lambda _: time.sleep(60), timeout_s=0.5)["failed"] == "timed_out"
    assert time.monotonic() - started < 20


def test_a_fork_that_closes_its_pipe_and_stays_is_ended(answer_of):
    def stay(_order):
        os.closerange(3, 100)
        time.sleep(60)

    started = time.monotonic()
    assert answer_of(stay, timeout_s=0.5)["failed"] == "timed_out"
    assert time.monotonic() - started < 20


@pytest.mark.parametrize("capability", ["9.0", "19.9"])
def test_the_worker_answers_on_stdout_what_was_asked_on_stdin(capability):
    """The real program: without a GPU every order is lost, each with why, and nothing hangs."""
    order = {"id": 3, "workload": "", "timeout_s": 60.0, "l2_bytes": 1}
    order["compute_capability"] = capability
    ended = subprocess.run(
        [sys.executable, "-m", "gate.timing_worker"],
        input=json.dumps(order) + "\n",
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )
    answer = json.loads(ended.stdout)
    assert (answer["id"], answer["failed"]) == (3, "crashed")
    assert "RuntimeError" in answer["message"] or "AssertionError" in answer["message"]


LEAVES_A_PROCESS = """
import subprocess
from gate import timing_worker as worker
def run_order(order):
    left = subprocess.Popen(["sleep", "300"], start_new_session=True)
    return {"left": left.pid}
worker.run_order, worker.compiled_for = run_order, lambda _: None
worker.main()
"""


def test_what_a_fork_leaves_behind_does_not_run_beside_the_next():
    order = {"id": 1, "workload": "a", "timeout_s": 60.0, "compute_capability": "9.0"}
    ended = subprocess.run(
        [sys.executable, "-c", LEAVES_A_PROCESS],
        input=json.dumps(order) + "\n",
        capture_output=True,
        text=True,
        timeout=120,
    )
    left = json.loads(ended.stdout)["left"]
    assert not Path(f"/proc/{left}").exists()
