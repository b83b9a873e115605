"""The back-pressure, with a clock turned by hand."""

from __future__ import annotations

import pytest

from nnwidgets.panels._pacing import Pacing


def view(name="a", shown=True, cards=(0, 1)):
    return {"kind": "view", "id": name, "shown": shown, "cards": list(cards)}


def ack(frame, name="a"):
    return {"kind": "ack", "id": name, "frame": frame}


def test_the_next_frame_waits_for_the_acknowledgement_and_for_the_interval():
    pacing = Pacing()
    pacing.heard(view())
    assert pacing.due(0.0, 0.1)
    pacing.sent(0.0)
    assert not pacing.due(1.0, 0.1)
    pacing.heard(ack(1))
    assert pacing.live
    assert not pacing.due(0.05, 0.1)
    assert pacing.due(0.1, 0.1)


def test_no_acknowledgement_in_two_seconds_means_not_live_and_twice_a_second():
    pacing = Pacing()
    assert pacing.live is None
    pacing.sent(0.0)
    assert not pacing.due(1.99, 0.1)
    assert pacing.due(2.0, 0.1)
    assert pacing.live is False
    pacing.sent(2.0)
    assert not pacing.due(2.4, 0.1)
    assert pacing.due(2.5, 0.1)
    assert not pacing.due(2.5, 1.0)


def test_a_late_acknowledgement_brings_the_full_rate_back():
    pacing = Pacing()
    pacing.sent(0.0)
    assert pacing.due(2.0, 0.1)
    pacing.sent(2.0)
    pacing.heard(ack(2))
    assert pacing.live
    assert pacing.due(2.1, 0.1)


def test_an_answer_while_no_cell_runs_does_not_say_that_clicks_arrive_while_one_does():
    pacing = Pacing()
    pacing.heard(view())
    pacing.sent(0.0)
    assert pacing.due(2.0, 0.1)
    pacing.heard(ack(1), busy=False)
    assert pacing.live is False
    assert pacing.due(2.1, 0.1)


def test_a_browser_that_answers_at_once_is_asked_once_in_ten_frames():
    pacing = Pacing()
    pacing.heard(view())
    assert pacing.sent(0.0) == pacing.asked == 1
    # no answer within 0.1 s: asked again
    pacing.heard(ack(1), now=0.3)
    assert pacing.sent(0.4) == pacing.asked == 2
    pacing.heard(ack(2), now=0.45)
    for frame in range(3, 12):
        assert pacing.due(0.2 * frame, 0.1)
        assert pacing.sent(0.2 * frame) == frame and pacing.asked == 2
    assert pacing.sent(2.4) == pacing.asked == 12
    assert not pacing.due(2.6, 0.1)
    pacing.heard(ack(12), now=2.49)
    pacing.sent(2.6)
    assert pacing.asked == 12
    # a view that comes now has nothing to answer
    pacing.heard(view("b"))
    assert pacing.due(2.8, 0.1)


def test_of_several_views_the_last_answer_decides_whether_all_frames_ask():
    pacing = Pacing()
    pacing.heard(view("quick"))
    pacing.heard(view("slow"))
    pacing.sent(0.0)
    pacing.heard(ack(1, "quick"), now=0.02)
    pacing.heard(ack(1, "slow"), now=0.5)
    assert pacing.sent(0.6) == pacing.asked == 2


def test_how_long_an_answer_took_counts_from_its_question():
    pacing = Pacing(one_in=3)
    pacing.heard(view())
    assert pacing.answer == float("inf")
    pacing.sent(0.0)
    pacing.heard(ack(1), now=0.02)
    for now in (0.1, 0.2, 0.3):
        pacing.sent(now)
    assert pacing.asked == 4
    # a forced one, just before the answer
    pacing.sent(0.75)
    pacing.heard(ack(4), now=0.8)
    assert pacing.answer == pytest.approx(0.5)
    # none in two seconds: it took longer than that
    pacing.sent(1.0)
    assert pacing.due(3.0, 0.1)
    assert pacing.answer == pytest.approx(2.0)
    pacing.sent(3.0)
    # what comes now was another question's
    pacing.heard(ack(6), now=3.05)
    assert pacing.answer == pytest.approx(2.0)


def test_a_browser_that_falls_silent_is_asked_at_each_frame_again():
    pacing = Pacing(one_in=2)
    pacing.heard(view())
    pacing.sent(0.0)
    pacing.heard(ack(1), now=0.01)
    pacing.sent(0.1)
    assert pacing.sent(0.2) == pacing.asked == 3
    assert not pacing.due(2.1, 0.1) and pacing.due(2.2, 0.1)
    assert pacing.sent(2.2) == pacing.asked == 4
    # not while no cell runs either: how prompt it is then says nothing of a busy kernel
    idle = Pacing(live=False)
    idle.sent(0.0)
    idle.heard(ack(1), busy=False, now=0.01)
    assert idle.sent(0.5) == idle.asked == 2


def test_nothing_goes_to_a_hidden_tab_and_it_draws_on_return():
    pacing = Pacing()
    pacing.heard(view(shown=False))
    assert not pacing.viewed
    assert not pacing.due(100.0, 0.1)
    pacing.heard(view(shown=True))
    assert pacing.due(100.0, 0.1)


def test_a_closed_view_is_not_waited_for():
    pacing = Pacing()
    pacing.heard(view())
    pacing.sent(0.0)
    pacing.heard({"kind": "gone", "id": "a"})
    assert not pacing.due(50.0, 0.1)
    pacing.heard(view("b"))
    assert pacing.due(50.0, 0.1)


def test_the_slowest_of_several_views_sets_the_pace_until_it_is_forgotten():
    pacing = Pacing()
    pacing.heard(view("quick"))
    pacing.heard(view("slow"))
    pacing.sent(0.0)
    pacing.heard(ack(1, "quick"))
    assert not pacing.due(1.0, 0.1)
    assert pacing.due(2.0, 0.1)
    assert pacing.live
    pacing.sent(2.0)
    pacing.heard(ack(2, "quick"))
    assert pacing.due(2.1, 0.1)


def test_a_hidden_view_is_not_waited_for():
    pacing = Pacing()
    pacing.heard(view("a"))
    pacing.heard(view("b", shown=False))
    pacing.sent(0.0)
    pacing.heard(ack(1, "a"))
    assert pacing.due(0.1, 0.1)


@pytest.mark.parametrize(("cards", "seen"), [((0,), [True, False]), ((), [False, False]), ((0, 1), [True, True])])
def test_only_cards_on_a_screen_are_seen(cards, seen):
    pacing = Pacing()
    assert pacing.sees(1)
    pacing.heard(view(cards=cards))
    assert [pacing.sees(0), pacing.sees(1)] == seen
