"""Causes before consequences, and what only may hurt becomes red where it did."""

from __future__ import annotations

import pytest

from nnwidgets.records import Finding
from nnwidgets.rules import DEFAULT_RULES, FINAL_RULES, FOLLOWS, rank
from nnwidgets.rules._rank import GROUPS, depth

KNOWN = [rule for group in GROUPS for rule in group]


def found(rule: str, severity: str = "problem", where: str = "") -> Finding:
    return Finding(rule, severity, where, 0, "It is so.", "Change it.")  # pyright: ignore[reportArgumentType]


def told(*findings: Finding) -> list[tuple[str, str, str]]:
    return [(each.rule, each.severity, each.follows) for each in rank(findings)]


def test_every_rule_has_its_depth() -> None:
    assert len(KNOWN) == len(set(KNOWN))
    assert {type(rule).__name__ for rule in DEFAULT_RULES + FINAL_RULES} <= set(KNOWN)
    assert {*FOLLOWS, *(cause for causes in FOLLOWS.values() for cause in causes)} <= set(KNOWN)


def test_nothing_explains_itself() -> None:
    def causes_of(rule: str, seen: tuple[str, ...]) -> None:
        assert rule not in seen, " <- ".join((*seen, rule))
        for cause in FOLLOWS.get(rule, ()):
            causes_of(cause, (*seen, rule))

    for symptom in FOLLOWS:
        causes_of(symptom, ())


def test_the_cause_comes_first_whatever_the_order() -> None:
    findings = [found("NonFinite"), found("Divergence"), found("UpdateSign"), found("ExplodingGradient")]
    for order in (findings, findings[::-1]):
        ranked = told(*order)
        assert ranked[0] == ("UpdateSign", "problem", "")
        assert {(rule, follows) for rule, _, follows in ranked[1:]} == {
            ("NonFinite", "UpdateSign"), ("Divergence", "UpdateSign"), ("ExplodingGradient", "UpdateSign"),
        }  # fmt: skip


def test_a_warning_that_explains_a_red_symptom_becomes_red() -> None:
    first, second = rank([found("Plateau"), found("InputScale", "warning")])
    assert (first.rule, first.severity, first.confirmed) == ("InputScale", "problem", "seen in the run: Plateau")
    assert (second.rule, second.follows) == ("Plateau", "InputScale")


def test_a_warning_stays_one_without_a_symptom_that_it_explains() -> None:
    assert told(found("InputScale", "warning")) == [("InputScale", "warning", "")]
    assert ("LabelImbalance", "warning", "") in told(found("Divergence"), found("LabelImbalance", "warning"))
    # a symptom that is no more than a warning proves nothing
    assert told(found("Overfitting", "warning"), found("Leakage", "warning")) == [
        ("Leakage", "warning", ""), ("Overfitting", "warning", "Leakage"),
    ]  # fmt: skip


def test_a_symptom_with_a_red_cause_makes_no_other_one_red() -> None:
    ranked = told(found("Plateau"), found("SortedLabels", "warning"), found("OneUnitSoftmax"))
    assert ranked == [
        ("OneUnitSoftmax", "problem", ""), ("SortedLabels", "warning", ""), ("Plateau", "problem", "OneUnitSoftmax"),
    ]  # fmt: skip


def test_a_note_explains_nothing() -> None:
    assert told(found("Plateau"), found("InputScale", "note")) == [
        ("Plateau", "problem", ""),
        ("InputScale", "note", ""),
    ]


def test_the_end_of_the_chain_is_the_cause() -> None:
    ranked = told(found("NothingLearned"), found("DeadUnits"), found("LearningRateTooHigh"), found("InputScale"))
    assert ranked[0] == ("InputScale", "problem", "")
    assert {follows for _, _, follows in ranked[1:]} == {"InputScale"}


def test_red_before_the_rest_then_by_depth() -> None:
    findings = [
        found("StrongDecay", "warning"),
        found("LearningRateTooHigh"),
        found("Leakage", "note"),
        found("MyRule"),
    ]
    ranked = [rule for rule, _, _ in told(*findings)]
    assert ranked == ["LearningRateTooHigh", "MyRule", "StrongDecay", "Leakage"]


@pytest.mark.parametrize("group", GROUPS)
def test_depth_goes_by_group(group: tuple[str, ...]) -> None:
    assert [depth(rule) for rule in group] == [(GROUPS.index(group), place) for place in range(len(group))]


def test_nothing_of_nothing() -> None:
    assert rank([]) == ()
