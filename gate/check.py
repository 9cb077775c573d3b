"""The glue of step 6: a measurement, the stored baselines and the configuration make a verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate.baselines import Baselines, folder_name
from gate.judge import Rules, Stored, judge

if TYPE_CHECKING:
    from gate.config import Config
    from gate.model import Gpu, Measurement, Verdict


def verdict_of(
    measurement: Measurement, config: Config, *, require_gpu: bool, whole: bool
) -> Verdict:
    """Judge against the stored baselines; `whole` demands every kernel that has one."""
    baselines = baselines_for(measurement, config)
    return judge(
        measurement,
        stored=Stored(load=baselines.load, folder=config.relative(baselines.folder)),
        required=baselines.names() if whole else (),
        rules=rules_of(config, require_gpu=require_gpu),
    )


def baselines_for(measurement: Measurement, config: Config) -> Baselines:
    return baselines_on(measurement.environment.gpu, config)


def baselines_on(gpu: Gpu | None, config: Config) -> Baselines:
    name = folder_name(gpu, config.target)
    return Baselines(config.baselines / name, config.target)


def rules_of(config: Config, *, require_gpu: bool) -> Rules:
    return Rules(
        require_gpu=require_gpu,
        target=config.target,
        runtime_tolerance=config.runtime_tolerance,
        throughput_tolerance=config.throughput_tolerance,
        on_trade_off=config.on_trade_off,
    )
