"""A number with its noun."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """A number of things.

    Example:
        >>> counted(1, "dropout"), counted(3, "dropout")
        ('1 dropout', '3 dropouts')
    """
    return f"{count} {noun}{'' if count == 1 else 's'}"
