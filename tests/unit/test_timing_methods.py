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
        "refresh_seconds": 0.0,
        "batch": 4,
    }
    return methods.Subject(**{**made, **changes})


def samples_of(values, clock, seconds, **changes):
    """The samples that are taken when each takes `seconds`, and how many calls came before."""
    taken, refreshed, between = [], [], []

    def sample():
        clock(seconds)
        taken.append(values(len(taken)))
        return taken[-1]

    made = subject(refresh=lambda: refreshed.append(len(taken)), **changes)
    prepared = methods.Prepared(sample, lambda: None)
    samples = methods.take_samples(made, prepared, lambda: between.append(len(taken)))
    assert len(between) == len(samples)
    return samples, len(taken) - len(samples), refreshed


def test_warming_up_takes_its_time_and_ends_when_the_pace_is_steady(clock):
    samples, warming, _ = samples_of(lambda i: 100.0 if i > 6 else 200.0 - i, clock, 0.04)
    assert len(samples) == methods.SAMPLES
    assert warming * 0.04 >= methods.WARM_SECONDS


def test_warming_up_goes_on_while_the_pace_moves_and_not_for_ever(clock):
    _, warming, _ = samples_of(lambda i: 200.0 if i % 2 else 100.0, clock, 0.04)
    assert methods.MAX_WARM_SECONDS <= warming * 0.04 < methods.MAX_WARM_SECONDS + 0.1


@pytest.mark.parametrize(("seconds", "count"), [(0.04, 10), (0.4, 5), (1.0, 3), (20.0, 3)])
def test_long_calls_are_sampled_less_often_but_never_less_than_three_times(clock, seconds, count):
    samples, _, _ = samples_of(lambda _: 100.0, clock, seconds)
    assert len(samples) == count


def test_inputs_are_fresh_for_every_sample_where_drawing_is_cheap(clock):
    samples, _, refreshed = samples_of(lambda _: 100.0, clock, 0.04)
    assert len(refreshed) == len(samples)
    _, _, rarely = samples_of(lambda _: 100.0, clock, 0.04, refresh_seconds=1.0)
    assert 1 <= len(rarely) <= 3


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
            prepared.sample()
    else:
        assert prepared.sample() == 0.5e6


@pytest.mark.parametrize(("seconds", "batch"), [(1e-5, 50), (0.004, 5), (1.0, 1)])
def test_a_batch_is_long_enough_and_not_longer(clock, monkeypatch, seconds, batch):
    monkeypatch.setattr(methods, "_synchronize", lambda: None)
    assert methods.estimate_batch(lambda: clock(seconds)) == batch
