"""The forks of the timing worker; what they measure needs a GPU and is shown there."""

import json
import os

import pytest

from gate.kernels import Workload

worker = pytest.importorskip("gate.timing_worker")


@pytest.mark.parametrize(
    ("work", "status"),
    [
        (lambda: None, 0),
        (lambda: os._exit(5), 5),
        (lambda: os.kill(os.getpid(), 9), -9),
    ],
)
def test_a_forks_end_is_its_status(work, status):
    assert worker._in_fork(work) == status


@pytest.mark.parametrize(("error", "status"), [(SystemExit(17), 17), (ValueError("no"), 1)])
def test_what_a_fork_raises_stays_in_the_fork(error, status, capfd):
    def work():
        raise error

    assert worker._in_fork(work) == status
    assert ("ValueError: no" in capfd.readouterr().err) == (status == 1)


def rounds(monkeypatch, tmp_path, measure, names=("a", "b"), processes=3):
    """What `measure(workload, method)` was asked, one line a fork."""
    log = tmp_path / "log"
    log.touch()

    def measured(_request, workload, method, seed):
        with log.open("a") as stream:
            stream.write(f"{workload.name} {method} {seed}\n")
        measure(workload.name, method)

    monkeypatch.setattr(worker, "_measure", measured)
    request = tmp_path / "request.json"
    workloads = [Workload(name=name).to_json() for name in names]
    request.write_text(json.dumps({"workloads": workloads, "processes": processes, "seed": 5}))
    worker.main(str(request))
    return [tuple(line.split()) for line in log.read_text().splitlines()]


def test_every_workload_gets_a_fork_of_its_own_in_every_round(monkeypatch, tmp_path):
    asked = rounds(monkeypatch, tmp_path, lambda *_: None)
    assert sorted(asked) == sorted((n, "cuda_graph", str(5 + i)) for n in "ab" for i in range(3))


def test_what_cannot_be_captured_starts_over_without_a_graph(monkeypatch, tmp_path):
    def measure(_name, method):
        if method == "cuda_graph":
            raise SystemExit(worker.CAPTURE_FAILED)

    asked = rounds(monkeypatch, tmp_path, measure, names=("a",))
    assert [method for _, method, _ in asked] == ["cuda_graph", *["held_queue"] * 3]


def test_one_that_breaks_is_not_asked_again_and_the_others_go_on(monkeypatch, tmp_path, capfd):
    def measure(name, _method):
        if name == "a":
            os.kill(os.getpid(), 9)

    asked = [name for name, _, _ in rounds(monkeypatch, tmp_path, measure)]
    assert (asked.count("a"), asked.count("b")) == (1, 3)
    assert "a: process 0 was ended by SIGKILL" in capfd.readouterr().err


def test_a_candidate_that_claims_it_cannot_be_captured_for_ever_gets_no_figures(
    monkeypatch, tmp_path
):
    def measure(_name, _method):
        raise SystemExit(worker.CAPTURE_FAILED)

    asked = rounds(monkeypatch, tmp_path, measure, names=("a",))
    assert [method for _, method, _ in asked] == ["cuda_graph", "held_queue"]
