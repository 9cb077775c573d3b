"""One candidate against one baseline, for the tests of everything that judges."""

from gate.judge import Rules, Stored, judge
from tests.factories import FUNCTION, MEDIANS, METRICS, profile, timing

RULES = Rules(require_gpu=False, target="sm_89")


def verdict(candidate, stored=None, *, rules=RULES, required=()):
    documents = dict.fromkeys(stored.scope.kernels if stored else (), stored)
    return judge(
        candidate,
        stored=Stored(load=documents.get, folder="baselines/x"),
        required=required,
        rules=rules,
    )


def found(answer, subject):
    return next(f for f in answer.findings if f.subject == subject)


def codes(answer):
    """The reason codes of what is not green."""
    return {f.reason.code for f in answer.findings if f.exit_code}


def times(factor, medians=MEDIANS):
    return timing(tuple(m * factor for m in medians))


def moved(*factors):
    """A result's changes where each (metric, factor) moved, in every launch that was seen."""
    metrics = {**METRICS, **{metric: METRICS[metric] * factor for metric, factor in factors}}
    return {"ncu": {FUNCTION: metrics}, "profile": profile(metrics=metrics)}
