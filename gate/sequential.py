"""How many fresh processes a verdict on runtime takes: looks, and the error split over them. Pure.

After each look the interval decides; only where it neither proves a regression nor its absence are
more processes measured. Every look may err with `ERROR / len(LOOKS)`, so that all of them together
err with at most `ERROR` (Bonferroni), however the looks depend on one another.
"""

from __future__ import annotations

# Processes in all after each look. Half-widths fall from 8 deviations (three processes know little
# of their own noise) over 2.6 and 1.6 to 1.05 against a baseline of twenty processes; a quiet
# workload is decided by the first look.
LOOKS = (3, 5, 8, 12, 20)
ERROR = 0.01
CONFIDENCE = 1 - ERROR / len(LOOKS)
# A baseline's own noise decides its tolerance: enough processes to know it within a sixth. With
# twelve, 1 to 4 % of unchanged noisy kernels stayed undecided (benchmarks/error_rates.py).
CALIBRATION = 20


def next_look(processes: int) -> int | None:
    """How many processes there should be at the next look; None after the last."""
    return next((look for look in LOOKS if look > processes), None)
