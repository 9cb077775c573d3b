"""Warm-up, samples and the choice of a method; the figures themselves need a GPU."""

import contextlib

import pytest

methods = pytest.importorskip("gate.timing_methods")


@pytest.fixture
def clock(monkeypatch):
    """A clock that only `advance` moves."""
    now = [0.0]
    monkeypatch.setattr(methods, "_clock", lambda: now[0])

    def advance(seconds):
        now[0] += seconds

    return advance


def subject(**changes):
    made = {
        "forward": lambda: None,
        "flush": lambda: None,
        "refresh": lambda: None,
        "batch": 4,
    }
    return methods.Subject(**{**made, **changes})


def samples_of(values, clock, seconds):
    """The samples when each takes `seconds`, those of the warm-up, and when inputs were fresh."""
    taken, refreshed, between = [], [], []

    def round_of(count):
        for _ in range(count):
            clock(seconds)
            taken.append(values(len(taken)))
        return taken[-count:]

    made = subject(refresh=lambda: refreshed.append(len(taken)))
    prepared = methods.Prepared(round_of, lambda: None)
    samples = methods.take_samples(made, prepared, lambda: between.append(len(taken)))
    assert len(between) == len(refreshed) == methods.ROUNDS
    assert refreshed[0] == len(taken) - len(samples)
    return samples, refreshed


def test_warming_up_takes_its_time_and_ends_when_the_pace_is_steady(clock):
    samples, refreshed = samples_of(lambda i: 100.0 if i > 6 else 200.0 - 9 * i, clock, 0.04)
    assert samples == [100.0] * methods.ROUNDS * methods.SAMPLES_A_ROUND
    assert refreshed[0] == 9
    assert refreshed[1] - refreshed[0] == methods.SAMPLES_A_ROUND


def test_warming_up_goes_on_while_the_pace_moves_and_not_for_ever(clock):
    _, refreshed = samples_of(lambda i: 200.0 if i % 2 else 100.0, clock, 0.04)
    assert methods.MAX_WARM_SECONDS <= refreshed[0] * 0.04 < methods.MAX_WARM_SECONDS + 0.1


@pytest.mark.parametrize(("seconds", "count"), [(0.04, 6), (0.3, 6), (0.6, 3), (20.0, 3)])
def test_long_calls_are_sampled_less_often_but_once_a_round(clock, seconds, count):
    assert len(samples_of(lambda _: 100.0, clock, seconds)[0]) == count


def test_a_sample_is_what_a_graph_takes_beyond_its_flushes(monkeypatch):
    times = {"full": 500.0, "flushes": 100.0}
    graphs = iter(times)

    class Event:
        def __init__(self, **_):
            self.at = None

    now = [0.0]
    monkeypatch.setattr(methods, "_Event", Event)
    monkeypatch.setattr(methods, "_Graph", lambda: next(graphs))
    monkeypatch.setattr(methods, "_capture", contextlib.nullcontext)
    monkeypatch.setattr(methods, "_replay", lambda g: now.__setitem__(0, now[0] + times[g]))
    monkeypatch.setattr(methods, "_record", lambda event: setattr(event, "at", now[0]))
    monkeypatch.setattr(methods, "_synchronize", lambda: None)
    monkeypatch.setattr(methods, "_elapsed_ms", lambda a, b: b.at - a.at)
    calls = []
    made = subject(forward=lambda: calls.append("forward"), flush=lambda: calls.append("flush"))
    prepared = methods.prepare(made, "cuda_graph")
    assert calls == ["flush", "forward"] * 4 + ["flush"] * 4
    assert prepared.round(3) == [(500.0 - 100.0) / 4 * 1e6] * 3


def test_what_cannot_be_captured_says_so(monkeypatch):
    @contextlib.contextmanager
    def capture(_graph):
        yield

    def forward():
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(methods, "_Graph", object)
    monkeypatch.setattr(methods, "_capture", capture)
    with pytest.raises(methods.MethodFails, match="stream is capturing"):
        methods.prepare(subject(forward=forward), "cuda_graph")


@pytest.mark.parametrize("released", [True, False])
def test_a_queue_that_was_let_go_early_is_not_held(monkeypatch, released):
    monkeypatch.setattr(methods, "_Event", lambda **_: object())
    monkeypatch.setattr(methods, "_record", lambda _: None)
    monkeypatch.setattr(methods, "_spin", lambda _: None)
    monkeypatch.setattr(methods, "_synchronize", lambda: None)
    monkeypatch.setattr(methods, "_done", lambda _: released)
    monkeypatch.setattr(methods, "_elapsed_ms", lambda *_: 0.5)
    prepared = methods.prepare(subject(), "held_queue")
    if released:
        with pytest.raises(methods.MethodFails, match="the host waits inside"):
            prepared.round(2)
    else:
        assert prepared.round(2) == [0.5e6] * 2


@pytest.mark.parametrize(("seconds", "batch"), [(1e-5, 200), (0.002, 5), (1.0, 1)])
def test_a_batch_is_long_enough_and_not_longer(clock, monkeypatch, seconds, batch):
    monkeypatch.setattr(methods, "_synchronize", lambda: None)
    assert methods.estimate_batch(lambda: clock(seconds)) == batch
