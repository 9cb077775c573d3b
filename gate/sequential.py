"""How many fresh processes a verdict on runtime takes: looks, and the error split over them. Pure.

After each look the interval decides; only where it neither proves a regression nor its absence are
more processes measured. Every look may err with `ERROR / len(LOOKS)`, so that all of them together
err with at most `ERROR` (Bonferroni), however the looks depend on one another. That holds where a
session is about as noisy as its baseline was. In one several times noisier up to 3.4 % err over
what is slower by just the tolerance (benchmarks/RESULTS.md).
"""

from __future__ import annotations

# Processes in all after each look. Against twenty stored ones that spread as much, half-widths fall
# from 2.2 deviations over 1.8, 1.6 and 1.3 to 1.05. Where the first look's or the second's spread
# more than twice as much, these are 12 to 13 and 3.0 to 3.2 of their own deviations: so few know
# little of their noise. A quiet workload is decided by the first look.
LOOKS = (3, 5, 8, 12, 20)
ERROR = 0.01
CONFIDENCE = 1 - ERROR / len(LOOKS)
# A baseline's own noise decides its tolerance: enough processes to know it within a sixth. With
# twelve, 1 to 4 % of unchanged noisy kernels stayed undecided (benchmarks/error_rates.py).
CALIBRATION = 20


def next_look(processes: int) -> int | None:
    """How many processes there should be at the next look; None after the last."""
    return next((look for look in LOOKS if look > processes), None)
