"""What the source distribution claims to hold, and what a reader of it is pointed to."""

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
INCLUDED = PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]


def test_the_source_distribution_names_only_what_exists():
    assert [name for name in INCLUDED if not (ROOT / name).exists()] == []


@pytest.mark.parametrize(
    "name", ["Makefile", "constraints.txt", "CONTRIBUTING.md", "benchmarks", "docs"]
)
def test_the_source_distribution_holds_what_its_readme_points_to(name):
    assert name.replace("Makefile", "make check") in (ROOT / "README.md").read_text()
    assert name in INCLUDED
