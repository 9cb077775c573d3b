"""What `--help` says, on a terminal of 80 columns."""

import click
import pytest
from click.testing import CliRunner

from gate.cli import main


def groups(command, path=()):
    if isinstance(command, click.Group):
        yield path
        for name, below in command.commands.items():
            yield from groups(below, (*path, name))


@pytest.mark.parametrize("path", list(groups(main)), ids=lambda path: " ".join(("gate", *path)))
def test_a_group_tells_what_each_command_does_in_whole_words(path):
    said = CliRunner().invoke(main, [*path, "--help"], terminal_width=80).output
    listed = said.partition("Commands:\n")[2].splitlines()
    assert listed
    assert [line for line in listed if line.endswith("...")] == []
