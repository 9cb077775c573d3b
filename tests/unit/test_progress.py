from io import StringIO

import pytest
from rich.console import Console

from gate.progress import Progress


class Terminal(StringIO):
    def isatty(self):
        return True


def shown(console, env=None, clock=lambda: 0.0):
    progress = Progress(console, env or {}, clock)
    with progress.step("softmax: compiling"), progress.step("[red]inner[/red] ::error::x\x1b"):
        console.print("-")
    with progress.step("softmax: testing"):
        pass
    return console.file.getvalue()


def test_a_pipe_stays_quiet():
    assert shown(Console(file=StringIO())) == "-\n"


def test_forced_colour_does_not_make_a_pipe_a_terminal():
    assert shown(Console(file=StringIO(), force_terminal=True)) == "-\n"


def test_a_dumb_terminal_stays_quiet(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    assert shown(Console(file=Terminal())) == "-\n"


@pytest.mark.parametrize("ci", ["true", "1", "TRUE"])
@pytest.mark.parametrize("stream", [StringIO, Terminal])
def test_ci_gets_one_line_a_step(ci, stream):
    console = Console(file=stream(), width=20, color_system=None)
    times = iter([100.0, 100.0, 112.34, 1234.0])
    assert shown(console, {"CI": ci}, lambda: next(times)) == (
        "[   0.0 s] softmax: compiling\n"
        "[  12.3 s] [red]inner[/red] ::error::x\\x1b\n"
        "-\n"
        "[1134.0 s] softmax: testing\n"
    )


def test_a_terminal_gets_a_spinner_with_the_time_and_is_left_clean():
    console = Console(file=Terminal(), force_terminal=True, width=100)
    text = shown(console, {"CI": "false"})
    assert "softmax: compiling" in text
    assert "[red]inner[/red]" in text
    assert "0:00:00" in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h")
    assert text.rpartition("\x1b[2K")[2].strip() == "\x1b[?25h"


def test_no_color_takes_the_colour_from_the_spinner(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    text = shown(Console(file=Terminal(), force_terminal=True, width=100))
    assert "softmax: compiling" in text
    assert "\x1b[3" not in text


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("env", [{}, {"CI": "true"}])
def test_an_error_ends_the_step_and_passes_through(error, env):
    console = Console(file=Terminal(), force_terminal=True, width=100)
    progress = Progress(console, env)
    with pytest.raises(error), progress.step("outer"), progress.step("inner"):
        raise error
    text = console.file.getvalue()
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h")


def test_without_arguments_it_speaks_on_stderr_alone(monkeypatch, capsys):
    monkeypatch.setenv("CI", "true")
    with Progress().step("softmax: testing"):
        pass
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "[   0.0 s] softmax: testing\n"
