"""The panel of gradient checks: what it shows, and what its buttons ask for."""

from __future__ import annotations

import re

import ipywidgets

from nnwidgets.panels import Dashboard, GradientCheck
from nnwidgets.panels._check_picture import picture
from nnwidgets.panels._comms import all_widgets
from nnwidgets.records import Command, GradientReport, History, Notice, TensorCheck

from ._made import gradient_report, texts


def shown(report: GradientReport) -> GradientCheck:
    panel, history = GradientCheck(), History()
    history.add_gradient_report(report)
    panel.update(history, ())
    return panel


def test_each_tensor_has_its_verdict_the_gravest_first():
    text = texts(shown(gradient_report()).widget)
    assert text.index("Conv_0/kernel") < text.index("Conv_0/bias") < text.index("Dense_0/kernel")
    for part in (
        "1 kink, 1 wrong, 1 unreached of 4 tensors",
        "cause: custom_vjp &lt;f&gt; at model.py:3, error 5.0e-01",
        "slope to the left 0.25, to the right 0.5",
        "share of the gradient: data 25 %, penalty 75 %",
        "x &lt; y",
        "8 examples, 26 evaluations, 1.5 s",
        "5e-1",
    ):
        assert part in text


def test_only_what_is_wrong_is_red():
    tensor = TensorCheck("w", (2,), "ok", 1e-9, analytic=(1.0,), numeric=(1.0,), sampled=("0",))
    wrong, right = gradient_report(), GradientReport((tensor,))
    assert texts(shown(wrong).widget).count('<tr class="nnw-alarm"') == 1
    text = texts(shown(right).widget)
    assert "nnw-alarm" not in text
    assert "nnw-bad" not in text
    assert "nnw-healthy" in text


def test_only_what_was_checked_is_called_right():
    text = texts(shown(GradientReport((TensorCheck("w", (2,), "unreached"),))).widget)
    assert "nothing was checked (1 unreached)" in text and "nnw-healthy" not in text and "\u2713" not in text
    right, wrong = (tuple(TensorCheck(f"w{k}", (2,), verdict) for k in range(70)) for verdict in ("ok", "wrong"))
    assert "and 10 more, all right: session.gradcheck() returns them" in texts(shown(GradientReport(right)).widget)
    assert "and 10 more: session.gradcheck() returns them" in texts(shown(GradientReport(wrong)).widget)
    words = "the loss itself is NaN or infinite"
    assert words in texts(shown(GradientReport((TensorCheck("w", (2,), "non-finite", words=words),))).widget)


def test_the_picture_is_that_of_the_chosen_tensor():
    panel = shown(gradient_report())
    chosen = next(each for each in all_widgets(panel.widget) if isinstance(each, ipywidgets.Dropdown))
    assert chosen.value == "Conv_0/kernel"
    assert "coordinate 17: analytic 0.2, numeric 0.4" in texts(panel.widget)
    history = History()
    history.add_gradient_report(gradient_report())
    panel.redraw = lambda: panel.update(history, ())
    panel.update(history, ())
    chosen.value = "Conv_0/bias"
    assert "a corner of the loss: slope to the left 0.25, to the right 0.5" in texts(panel.widget)


def test_the_tensor_that_was_chosen_stays_chosen():
    panel, history = GradientCheck(), History()
    panel.redraw = lambda: panel.update(history, ())
    chosen = next(each for each in all_widgets(panel.widget) if isinstance(each, ipywidgets.Dropdown))
    for choice, after in ((None, "Conv_0/kernel"), ("Dense_0/kernel", "Dense_0/kernel")):
        history.add_gradient_report(gradient_report())
        panel.update(history, ())
        if choice:
            chosen.value = choice
            history.add_gradient_report(gradient_report())
            panel.update(history, ())
        assert chosen.value == after


def test_a_check_that_fails_says_so_and_the_next_one_is_shown():
    panel, history = GradientCheck(), History()
    button = next(each for each in all_widgets(panel.widget) if isinstance(each, ipywidgets.Button))

    def text():
        panel.update(history, ())
        return texts(panel.widget)

    assert "Waits for a check" in text()
    button.click()
    assert "checking gradients" in text()
    panel.notices = [Notice("gradcheck", "the parameters were donated <b>", "")]
    assert "checking gradients" not in text() and "the parameters were donated &lt;b&gt;" in text()
    button.click()
    assert "checking gradients" in text(), "no failure is told twice"
    history.add_gradient_report(gradient_report())
    assert "1 kink, 1 wrong, 1 unreached of 4 tensors" in text() and "donated" not in text()


def test_small_gradients_that_are_wrong_are_crosses_too():
    drawn = picture(
        TensorCheck("w", (2,), "wrong", 0.3, analytic=(1e-11, 2e-11), numeric=(1.5e-11, 2e-11), sampled=("0", "1"))
    )
    assert drawn.count("<path") == 1 and drawn.count('class="nnw-bad"') == 1


def test_points_on_the_diagonal_lie_on_it():
    drawn = picture(TensorCheck("w", (2,), "ok", analytic=(1.0, -3.0), numeric=(1.0, -3.0), sampled=("0", "1")))
    circles = [part.split('" ')[:2] for part in drawn.split("<circle ")[1:]]
    for cx, cy in circles:
        assert abs(float(cx.split('"')[1]) + float(cy.split('"')[1]) - 250) < 0.11
    assert picture(TensorCheck("w", (2,), "unreached")) == '<div class="nnw-note">nothing was sampled</div>'


def test_the_longest_numbers_have_room_beside_the_picture():
    drawn = picture(TensorCheck("w", (1,), "ok", analytic=(-1.23e-12,), numeric=(-1.23e-12,), sampled=("0",)))
    left = float(re.findall(r'viewBox="(\S+) ', drawn)[0])
    numbers = re.findall(r'<text x="(\d+)" y="\S+" text-anchor="end">(-?\d\S+)</text>', drawn)
    assert any(len(text) > 6 for _, text in numbers)
    # 7.5 for a digit of the theme's 13 pixels
    assert all(float(x) - 7.5 * len(text) >= left for x, text in numbers)
    turned = float(re.findall(r"rotate\(-90 (\S+) ", drawn)[0])
    assert 8 <= turned - left <= 16


def test_the_buttons_ask_for_a_check():
    sent: list[Command] = []
    dashboard = Dashboard(History(), sent.append)
    buttons = [each for each in all_widgets(dashboard.widget) if isinstance(each, ipywidgets.Button)]
    for text in ("Check gradients", "Check fully"):
        next(each for each in buttons if each.description == text).click()
    assert sent == [Command("gradcheck", "quick"), Command("gradcheck", "full")]
    assert "checking gradients" in texts(dashboard.widget)
    dashboard.close()
