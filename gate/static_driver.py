"""A Triton driver for a GPU that is not there: kernels are compiled for it, launches written down.

Triton asks its driver for the target, to load a binary and to launch it, and nothing else of a
machine. So with this one active, Triton's own code binds the arguments, specialises on them as it
would on the GPU, compiles, refuses what does not fit and evaluates the grid; only the launch itself
stays out. Seen with triton 3.6 and 3.7.
"""

from __future__ import annotations

import functools
import hashlib
import operator
from collections import Counter
from typing import TYPE_CHECKING, Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler.errors import CompileTimeAssertionFailure
from triton.runtime.autotuner import Autotuner
from triton.runtime.errors import OutOfResources, PTXASError
from triton.runtime.jit import JITFunction

from gate.cubin import resources
from gate.occupancy import max_threads_per_block
from gate.static_answer import RecordedLaunch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gate.gpus.architectures import Architecture


class AbsentGpu:
    """What Triton calls a driver, for a card of `architecture`.

    `launches` counts distinct launches in the order of the first of each; binaries are written to
    `folder` under their digest. `function` is the kernel that was launched or compiled last.
    """

    def __init__(self, architecture: Architecture, folder: Path, cuobjdump: Path) -> None:
        self.architecture = architecture
        self.folder = folder
        self.cuobjdump = cuobjdump
        self.launches: Counter[RecordedLaunch] = Counter()
        self.function = "forward"
        self.utils = self

    def install(self) -> None:
        """Make this the driver of this process, for good."""
        triton.runtime.driver.set_active(self)
        Autotuner.run = _run_first_that_fits
        run = JITFunction.run

        @functools.wraps(run)
        def noting_run(function: Any, *args: Any, **kwargs: Any) -> Any:
            self.function = function.__name__
            return run(function, *args, **kwargs)

        JITFunction.run = noting_run

    # What Triton asks of a driver.

    def get_current_target(self) -> Any:
        return GPUTarget("cuda", self.architecture.capability_number, self.architecture.warp_size)

    def get_active_torch_device(self) -> torch.device:
        return torch.device("cpu")

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, _device: int) -> int:
        return 0

    def launcher_cls(self, source: Any, metadata: Any) -> Callable[..., None]:
        def launch(x: Any, y: Any, z: Any, _stream: Any, cubin: str, *_: Any) -> None:
            # A cluster is num_ctas blocks along x.
            grid = (operator.index(x) * metadata.num_ctas, operator.index(y), operator.index(z))
            if min(grid) <= 0:
                return  # nor does Triton launch an empty grid
            recorded = RecordedLaunch(
                function=source.fn.__name__,
                entry=metadata.name,
                grid=grid,
                threads=metadata.num_warps * self.architecture.warp_size,
                shared_bytes=metadata.shared,
                cubin=cubin,
            )
            self.launches[recorded] += 1

        return launch

    # What Triton asks of a driver's `utils`.

    def get_device_properties(self, _device: int) -> dict[str, int]:
        return {
            "max_shared_mem": self.architecture.max_shared_bytes_per_block,
            "max_num_regs": self.architecture.registers_per_sm,
            "multiprocessor_count": self.architecture.sm_count,
            "warpSize": self.architecture.warp_size,
        }

    def load_binary(
        self, name: str, binary: bytes, _shared: int, _device: int
    ) -> tuple[None, str, int, int, int]:
        """A module, a function, its registers, its spills, and the most threads of a block."""
        cubin = hashlib.sha256(binary).hexdigest()
        (self.folder / cubin).write_bytes(binary)
        used = resources(self.cuobjdump, self.folder / cubin, name)
        threads = max_threads_per_block(self.architecture, used.registers)
        return None, cubin, used.registers, used.stack_bytes, threads


def _run_first_that_fits(tuner: Any, *args: Any, **kwargs: Any) -> Any:
    """Stands in for `Autotuner.run`: there is no GPU to time the configurations on.

    The first configuration that is left after pruning, compiles and fits the hardware is launched.
    Which one the GPU would choose is not known, and may differ between runs; the first is always
    the same one, so that a change in its figures is a change in the code. Hooks that prepare a
    configuration run, those that only guard its timing do not.
    """
    tuner.nargs = dict(zip(tuner.arg_names, args, strict=False))
    configs = tuner.prune_configs(kwargs) if len(tuner.configs) > 1 else tuner.configs
    refusals = []
    for config in configs:
        tuner.best_config = config
        settings = config.all_kwargs()
        if config.pre_hook is not None:
            config.pre_hook({**tuner.nargs, **kwargs, **settings})
        try:
            return tuner.fn.run(*args, **kwargs, **settings)
        except (OutOfResources, CompileTimeAssertionFailure, PTXASError) as error:
            refusals.append(error)
    raise refusals[0]
