"""The fork server of the timing worker; what its forks measure needs a GPU and is shown there."""

import json
import os
import subprocess
import sys
import time

import pytest

worker = pytest.importorskip("gate.timing_worker")
GOOD = {"samples_ns": {"forward": [1.0]}}


@pytest.fixture
def serve(monkeypatch, tmp_path):
    """`serve(work, *workloads)` answers one order each; `work(order, log)` runs in the forks."""
    file = tmp_path / "log"
    file.touch()

    def log(line):
        with file.open("a") as stream:
            stream.write(f"{line}\n")

    def serve(work, *workloads, reserved=0, memory=8e10, timeout_s=20.0):
        def run_order(order, go, answer):
            log(f"prepare {order['workload']}")
            work(order, "prepare")
            worker._send(answer, {"ready": reserved})
            os.read(go, 1)
            log(f"measure {order['workload']}")
            work(order, "measure")
            worker._send(answer, GOOD)

        monkeypatch.setattr(worker, "run_order", run_order)
        orders = [
            {"id": i, "workload": name, "timeout_s": timeout_s, "memory_bytes": memory}
            for i, name in enumerate(workloads)
        ]
        answers = {answer["id"]: answer for answer in worker.serve(orders, [])}
        return [answers[i] for i in range(len(orders))], file.read_text().split("\n")[:-1]

    return serve


def nothing(_order, _stage):
    return


def test_every_order_is_answered_by_a_fork_of_its_own(serve):
    answers, log = serve(nothing, *"abcdef")
    assert answers == [{**GOOD, "id": i} for i in range(6)]
    assert len(log) == 12


def test_forks_get_ready_side_by_side_and_are_measured_one_at_a_time(serve):
    _, log = serve(nothing, *"abcdef")
    assert log[:2] == ["prepare a", "measure a"], "the first shows how much memory one takes"
    assert sorted(log[2:6]) == [f"prepare {name}" for name in "bcde"]
    assert log[6:10] == [f"measure {name}" for name in "bcde"]


def test_the_memory_of_the_card_bounds_how_many_get_ready_side_by_side(serve):
    _, log = serve(nothing, *"abc", reserved=int(5e9), memory=1e10)
    assert log == [f"{stage} {name}" for name in "abc" for stage in ("prepare", "measure")]


@pytest.mark.parametrize("stage", ["prepare", "measure"])
@pytest.mark.parametrize(
    ("end", "says"),
    [
        (lambda: os.kill(os.getpid(), 11), "it was ended by SIGSEGV"),
        (lambda: os._exit(0), "it exited with 0 before it answered"),
        (lambda: sys.exit(3), "SystemExit: 3"),
        (lambda: int("no"), "ValueError"),
    ],
)
def test_a_fork_that_breaks_is_a_crash_and_the_others_go_on(serve, stage, end, says):
    def work(order, at):
        if (order["workload"], at) == ("a", stage):
            end()

    answers, _ = serve(work, *"ab")
    assert answers[0]["failed"] == "crashed"
    assert says in answers[0]["message"]
    assert answers[1] == {**GOOD, "id": 1}


def test_what_breaks_beside_others_is_tried_again_alone(serve, tmp_path):
    def work(order, at):
        marker = tmp_path / f"{order['id']}"
        if (order["workload"], at) == ("b", "prepare") and not marker.exists():
            marker.touch()
            raise MemoryError("CUDA out of memory")

    answers, log = serve(work, *"abc")
    assert answers == [{**GOOD, "id": i} for i in range(3)]
    assert log[-2:] == ["prepare b", "measure b"]


def test_a_method_that_fails_says_so(serve):
    def work(_order, at):
        if at == "prepare":
            raise worker.methods.MethodFails("it cannot be captured: no")

    answers, _ = serve(work, "a")
    assert answers[0]["failed"] == "method"
    assert "it cannot be captured: no" in answers[0]["message"]


@pytest.mark.parametrize("stage", ["prepare", "measure"])
def test_a_fork_that_hangs_is_ended(serve, stage):
    def work(_order, at):
        if at == stage:
            time.sleep(60)

    started = time.monotonic()
    answers, _ = serve(work, "a", timeout_s=0.5)
    assert answers[0]["failed"] == "timed_out"
    assert time.monotonic() - started < 20


def test_what_is_no_answer_is_a_crash(monkeypatch):
    monkeypatch.setattr(worker, "run_order", lambda _o, _g, answer: os.write(answer, b"[1, 2]\n"))
    order = {"id": 7, "workload": "a", "timeout_s": 20.0, "memory_bytes": 8e10}
    (answer,) = worker.serve([order], [])
    assert (answer["id"], answer["failed"]) == (7, "crashed")


def test_the_worker_answers_on_stdout_what_was_asked_on_stdin():
    """The real program: without a GPU every order is lost, each with why, and nothing hangs."""
    order = {"id": 3, "workload": "", "timeout_s": 60.0, "memory_bytes": 8e10, "l2_bytes": 1}
    ended = subprocess.run(
        [sys.executable, "-m", "gate.timing_worker"],
        input=json.dumps([order]) + "\n",
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )
    answer = json.loads(ended.stdout)
    assert (answer["id"], answer["failed"]) == (3, "crashed")
    assert "RuntimeError" in answer["message"] or "AssertionError" in answer["message"]
