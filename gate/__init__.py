"""Fails the pull request that makes a GPU kernel wrong, slower, or less able to use the machine."""

__version__ = "0.1.0"
