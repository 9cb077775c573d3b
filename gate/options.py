"""The options that several commands share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gate.destinations import destination
from gate.errors import InvalidConfiguration

if TYPE_CHECKING:
    from collections.abc import Callable

READ = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, readable=False, path_type=Path, allow_dash=True)


def baselines_option(command: Callable[..., None]) -> Callable[..., None]:
    return click.option(
        "--baselines",
        "baselines_dir",
        type=FOLDER,
        callback=existing,
        help="Where the baselines lie, instead of the configured folder.",
    )(command)


def measuring_options(command: Callable[..., None]) -> Callable[..., None]:
    # Click lists what is applied last first.
    for option in reversed(
        (
            click.argument("kernels", nargs=-1),
            click.option(
                "--gpu",
                type=click.Choice(["auto", "require", "skip"]),
                help="auto measures where there is a GPU; the default is require when CI=true.",
            ),
            click.option(
                "--seed", type=click.IntRange(0, 2**32 - 1), help="Repeat a run's inputs."
            ),
            click.option(
                "--processes",
                type=click.IntRange(3, 100),
                help="Time each workload in so many fresh processes; by itself it takes 3 to 20.",
            ),
            click.option(
                "--base",
                metavar="REF",
                help="Time suspects in turn with this revision's kernel, not the merge base's.",
            ),
            click.option(
                "--lock-clocks",
                "lock_clocks_mhz",
                type=click.IntRange(100, 5000),
                metavar="MHZ",
                help="Hold the SM clock while measuring; the driver's default comes back after.",
            ),
            baselines_option,
        )
    ):
        command = option(command)
    return command


def report_options(command: Callable[..., None]) -> Callable[..., None]:
    command = click.option(
        "--annotations/--no-annotations",
        default=lambda: os.environ.get("GITHUB_ACTIONS") == "true",
        help="Print the worst findings as GitHub's annotations; the default under its Actions.",
    )(command)
    for name, what in reversed(
        (
            ("json", "Write the verdict as JSON; - is stdout."),
            ("markdown", "Write it as Markdown."),
            ("junit", "Write it as JUnit XML."),
        )
    ):
        option = click.option(
            f"--{name}", f"{name}_file", type=FILE, callback=destination, help=what
        )
        command = option(command)
    return command


def binding_option(command: Callable[..., None]) -> Callable[..., None]:
    """For a run that has to prove that it is its own."""
    return click.option(
        "--binding",
        "binding_file",
        type=READ,
        help="Write what this JSON file says of the run (head_sha, base_sha, nonce, run) into it.",
    )(command)


def existing(_ctx: click.Context, option: click.Parameter, folder: Path | None) -> Path | None:
    """Click's callback for a folder to be read, as an absolute path. Raises InvalidConfiguration.

    One that is not there would else read as one without baselines.
    """
    if folder is None:
        return None
    folder = folder.resolve()
    if not folder.is_dir():
        raise InvalidConfiguration(
            f"{option.opts[0]}: there is no folder {folder}",
            hint="name the folder that has one folder a GPU in it",
        )
    return folder


def expecting_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(
        (
            click.option(
                "--proposed",
                type=FOLDER,
                help="The baselines' folder of the change itself: what it accepts is verified.",
            ),
            click.option(
                "--expect-binding",
                "expected_binding",
                type=READ,
                help="Refuse a measurement of any other run than this JSON file names.",
            ),
            click.option(
                "--expect-gpu",
                "expected_gpu",
                metavar="NAME",
                help="Refuse a measurement of another card than this.",
            ),
        )
    ):
        command = option(command)
    return command


def output_option(*, required: bool) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option(
        "-o",
        "--output",
        type=FILE,
        callback=destination,
        required=required,
        help="Where the measurement goes; - is stdout.",
    )
