"""The glue of step 6: a measurement, the stored baselines and the configuration make a verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate.baselines import Baselines, folder_name, load_proposed
from gate.expectations import NOTHING
from gate.judge import Rules, Stored, judge
from gate.proposals import settle

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gate.baselines import Snapshot
    from gate.config import Config
    from gate.expectations import Expected
    from gate.model import Gpu, Measurement
    from gate.verdict import Verdict


def verdict_of(
    measurement: Measurement,
    config: Config,
    baselines: Baselines | Snapshot,
    *,
    require_gpu: bool,
    whole: bool,
    demanded: Sequence[str] = (),
    expected: Expected = NOTHING,
    proposed: Path | None = None,
) -> Verdict:
    """Judge against `baselines`; demands those named and, if `whole`, all that have one.

    `proposed` is the baselines' folder of the change itself, which is verified.
    """
    stored = Stored(load=baselines.load, folder=config.relative(baselines.folder))
    rules = rules_of(config, require_gpu=require_gpu)
    verdict = judge(
        measurement,
        stored=stored,
        required=(*demanded, *(baselines.names() if whole else ())),
        rules=rules,
        expected=expected,
    )
    if proposed is None:
        return verdict
    return settle(
        verdict,
        measurement,
        load_proposed(proposed, baselines.folder.name, config.target),
        stored=stored,
        rules=rules,
        creep_cap=config.creep_cap,
    )


def baselines_for(gpu: Gpu | None, config: Config) -> Baselines:
    """Those of what is measured on `gpu`, or compiled where that is None."""
    return Baselines(config.baselines / folder_name(gpu, config.target), config.target)


def rules_of(config: Config, *, require_gpu: bool) -> Rules:
    return Rules(
        require_gpu=require_gpu,
        target=config.target,
        runtime_tolerance=config.runtime_tolerance,
        throughput_tolerance=config.throughput_tolerance,
        on_trade_off=config.on_trade_off,
    )
