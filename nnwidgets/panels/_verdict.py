"""What it means that nothing was found: which rules looked."""

from __future__ import annotations

from collections.abc import Sequence

from nnwidgets.records import Notice

NAMED = 8


def looked(rules: Sequence[str], notices: Sequence[Notice]) -> list[str]:
    """The names of the rules that look: all but those which failed and were left out.

    Example:
        >>> looked(("NonFinite", "Mine"), (Notice("Mine", "the rule was left out: division by zero"),))
        ['NonFinite']
    """
    names = list(rules)
    for notice in notices:
        if notice.source in names and notice.message.startswith("the rule was left out"):
            names.remove(notice.source)
    return names


def nothing_found(rules: Sequence[str], notices: Sequence[Notice]) -> tuple[str, str]:
    """What to say of a run in which nothing was found: the verdict, and who looked ("" where that is said already).

    Only several rules, all of which looked, are said to have found nothing wrong.

    Example:
        >>> nothing_found(("NonFinite", "DeadUnits"), ())
        ('No rule found anything wrong.', '2 rules looked: NonFinite, DeadUnits.')
    """
    names = looked(rules, notices)
    if not names:
        return ("No rule looked.", f"0 of {len(rules)} rules could be used.") if rules else ("No rule looks.", "")
    more = len(names) - NAMED
    listed = ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
    if len(names) < len(rules):
        return "Nothing found so far,", f"but only {len(names)} of {len(rules)} rules looked: {listed}."
    if names == ["NonFinite"]:
        return "Nothing non-finite so far:", "the one rule that looks, NonFinite, checks only that."
    if len(names) == 1:
        return "Nothing found so far:", f"one rule looks, {listed}."
    return "No rule found anything wrong.", f"{len(names)} rules looked: {listed}."


def all_well(rules: Sequence[str], notices: Sequence[Notice]) -> bool:
    """Whether more than one rule looked, and none was left out."""
    return len(looked(rules, notices)) == len(rules) > 1
