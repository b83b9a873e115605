"""Where a run is watched and steered from: its readings, findings, controls and dashboard."""

from __future__ import annotations

import math
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from nnwidgets.panels import Dashboard
from nnwidgets.records import Command, Finding, History, Notice, RunState, Status, UnknownReading
from nnwidgets.rules import FINAL_RULES, rank

from ._compiles import compiles
from ._controls import Controls
from ._drawing_cost import DrawingCost
from ._governor import Governor
from ._pace import Pace
from ._watcher import Watcher

# Steps after which a reading that a condition asks for is missed: some come late, or seldom.
_PATIENCE = 20
# Judging that takes less is done whenever somebody asks.
_CHEAP_SECONDS = 0.002
_KINDS = ("statistics", "histograms", "activations")
# Commands that take long, and what to say where one cannot be done.
_TASKS = {
    "gradcheck": "nobody here knows the loss.",
    "rewind": "there is no going back in a loop that is not ours: nnw.Session makes its steps itself.",
    "lint": "nobody here knows the loss: nnw.Session does.",
    "verify": "nothing can be tried in a loop that is not ours: nnw.Session makes its steps itself.",
    "check": "the checks need a run that can be repeated: nnw.Session makes its steps itself.",
    "explore": "nothing can be tried in a loop that is not ours: nnw.Session makes its steps itself.",
    "look": "nobody here knows the network's parameters and data together: nnw.Session does.",
}


class Desk:
    """What `Session` and `Monitor` share: everything round the steps, and nothing of how a step is made.

    Args:
        budget: see `Governor`.
        probes: see `Session`.
        rules: see `Session`.
        panels: see `Session`.
        start: begins a run of so many steps when the user asks for one and none is running; None where that is not ours.
        tasks: what takes long and is done here and now, by the command's name; it is given the command's value.
        reach: the first and the last step that it can go to.
    """

    def __init__(
        self,
        budget: float,
        probes: Sequence[Any],
        rules: Sequence[Any],
        panels: Sequence[Any],
        start: Callable[[int], None] | None = None,
        tasks: Mapping[str, Callable[[Any], None]] | None = None,
        reach: Callable[[], tuple[int, int] | None] = lambda: None,
    ) -> None:
        self.history = History()
        self.governor, self.drawing = Governor(budget), DrawingCost()
        self.watcher = Watcher(probes, self.history, self.governor)
        self.controls = Controls()
        self.status = Status()
        self.readings: dict[str, float] = {}
        # an experiment that goes on is to end
        self.halt = threading.Event()
        # held by who does what a click asked for while no cell runs: the next click waits for its turn
        self.aside = threading.Lock()
        self.notices: list[Notice] = self.watcher.notices
        self.running = False
        # for each kind shown, which kind of the governor's pays for it
        self.kinds = dict(zip(_KINDS, _KINDS, strict=True))
        self.dashboard = Dashboard(self.history, self.receive, panels, rules=[_name(rule) for rule in rules])
        self._rules, self._start, self._tasks = tuple(rules), start, dict(tasks or {})
        self._reach = reach
        self._broken_rules: set[int] = set()
        self._waiting_rules: set[int] = set()
        self._findings: tuple[Finding, ...] = ()
        self.rules = self._rules
        self._static: tuple[Finding, ...] = ()
        self._settled: dict[tuple[str, str], Finding] = {}
        self._judged, self._judged_at, self._judge_seconds = -1, 0.0, 0.0
        self._compiled, self.pace = compiles().count, Pace(self.history)
        self._told: set[str] = set()
        self._obeyed = False

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the rules say of the history as it is now; a rule that fails becomes a notice, once."""
        started = time.perf_counter()
        # during a run judging takes a twentieth of the time at most: who asks at every step is told what was found lately
        lately = self.running and started - self._judged_at < 20 * self._judge_seconds
        if self._judged != self.history.version and not lately:
            self._judged = self.history.version
            self._waiting_rules.clear()
            self._findings = rank([self._settled.get((each.rule, each.where), each) for each in self.judge()])
            # one that waits for its readings did not look
            self.dashboard.rules = tuple(_name(rule) for rule in self._rules if id(rule) not in self._waiting_rules)
            self._judged_at = time.perf_counter()
            seconds = self._judged_at - started
            self._judge_seconds = seconds if seconds > _CHEAP_SECONDS else 0.0
        return self._findings

    def judge(self, *, final: bool = False) -> list[Finding]:
        """What was found before the first step, and what the rules say now; `final`: with those that judge a run as a whole."""
        rules = (*self._rules, *FINAL_RULES) if final else self._rules
        return [*self._static, *(found for rule in rules for found in self._judge(rule))]

    def note_static(self, findings: Sequence[Finding]) -> None:
        """What was found before the first step."""
        self._static, self._judged = tuple(findings), -1

    @property
    def static(self) -> tuple[Finding, ...]:
        """What was found before the first step."""
        return self._static

    @property
    def looked(self) -> list[str]:
        """The names of the rules that have found their readings."""
        return [_name(rule) for rule in self._rules if id(rule) not in self._waiting_rules | self._broken_rules]

    def settle(self, findings: Sequence[Finding]) -> None:
        """What experiments and trials made of the findings holds for as long as these are found."""
        self._settled = {
            (each.rule, each.where): replace(each, follows="") for each in findings if each.confirmed or each.tried
        }
        self._judged = -1

    def begin(self, target: int | None, message: str) -> None:
        """A run begins: whatever held the last one is over."""
        self.controls.stopped = self.controls.paused = False
        self.controls.single = 0
        self.running = True
        self.status = replace(self.status, target=target)
        self.show("compiling" if message else "running", message, force=True)

    def end(self, state: RunState, message: str, step: int | None = None) -> None:
        """The run is over, for now; `step` where it was not told, as when an interrupt cut a step's end off."""
        self.running = False
        if step is not None:
            self.status = replace(self.status, step=step)
        self.show(state, message, force=True)

    def receive(self, command: Command) -> None:
        """A wish of the user, from any thread: the loop applies it, or, when none is running, it is applied here."""
        if command.name == "halt":
            # not queued: whoever takes from the queue is busy with what is to end
            return self.halt.set()
        if not self.running and command.name in ("step", "run") and self._start is not None:
            return self._start(1 if command.name == "step" else int(command.value))
        self.controls.send(command)
        if not self.running and command.name in _TASKS:
            # they take long: a thread of their own leaves the kernel free for the next click
            threading.Thread(target=self._obey_aside, daemon=True).start()
        elif not self.running:
            self.obey()
            self.show(force=True)
        return None

    def obey(self) -> None:
        """Apply the commands that wait; one that is refused becomes a notice."""
        while (command := self.controls.next_command()) is not None:
            self._obeyed = True
            try:
                if command.name == "run":
                    self._run_on(int(command.value))
                elif command.name in _TASKS:
                    self._do(command)
                else:
                    self.controls.apply(command)
                if command.name == "multiplier":
                    self.history.add_scalar("run/multiplier", self.status.step, self.controls.multiplier)
            except Exception as error:
                self.notices.append(Notice(command.name, str(error), traceback.format_exc()))

    def may_go_on(self, step: int, flush: Callable[[], None]) -> str | None:
        """Obey, and hold while paused; None when the next step may be made, else why the loop has to end.

        Where nobody could press Resume (no front end, or one whose clicks do not arrive) a pause ends the loop.
        """
        self.status = replace(self.status, step=step)
        while True:
            self.obey()
            if self.controls.stopped:
                return "stopped"
            if not self.controls.paused or self.controls.single:
                self.governor.begin_step()
                return None
            flush()
            message = self.status.message if self.status.state == "paused" else "paused"
            self.show("paused", message)
            if not self.dashboard.viewed or self.dashboard.live is False:
                return message
            self.dashboard.poll()
            time.sleep(0.01)

    def end_step(self, step: int, started: float) -> None:
        """Look after everything that follows a step which began at `started` (`time.perf_counter`)."""
        self._note_own(started)
        self.status = replace(self.status, step=step)
        self.controls.single = max(0, self.controls.single - 1)
        if self.controls.conditions:
            self._check_conditions(step)
        if not self.controls.paused:
            self.show("running")
        polled = self.dashboard.seconds_spent
        self.dashboard.poll()
        if self.dashboard.seconds_spent > polled:
            self.governor.charge_all(self.dashboard.seconds_spent - polled)
        self._note_compiles(step)
        seconds = time.perf_counter() - started
        if self.governor.budget:
            self.pace.end_step(step, seconds)
        self.governor.end_step(seconds)

    def _note_own(self, started: float) -> None:
        """Whether it was longer than one beside which nothing is drawn; before the next frame is."""
        usual = self.governor.step_seconds
        # 0.0 of the first ones, which compile
        if usual and self.dashboard.viewed:
            now = time.perf_counter()
            self.drawing.step(now, self.governor.own_seconds(now - started), usual)

    def _note_compiles(self, step: int) -> None:
        """What a step compiled; one that compiled nothing is not noted."""
        known, self._compiled = self._compiled, compiles().count
        if self._compiled > known and self.governor.budget:
            self.history.add_scalar("run/compiles", step, self._compiled - known)

    def show(self, state: RunState | None = None, message: str | None = None, force: bool = False) -> None:
        """Bring the status up to date, and the dashboard too if it can be paid for, or if the state changed."""
        if self.dashboard.viewed:
            self.governor.join("redraw")
        else:
            self.governor.leave("redraw")
            self.drawing.begin()
        # who has clicked waits for an answer
        force, self._obeyed = force or self._obeyed, False
        changed = state is not None and state != self.status.state
        asked = force or changed or self.status.state == "paused"
        if not asked and not self._may_redraw(time.perf_counter()):
            return self._keep()
        started = time.perf_counter()
        self.status = replace(
            self.stated(),
            state=state or self.status.state,
            message=("" if state == "running" else self.status.message) if message is None else message,
            pauses=tuple(words for words, _ in self.controls.conditions),
            reach=self._reach(),
        )
        sent = self.dashboard.refresh(self.status, self.findings, self.notices, force=force or changed)
        seconds = time.perf_counter() - started
        if sent:
            running = self.running and self.status.state != "paused"
            self.drawing.sent(started, self.dashboard.answer_seconds, running=running)
        if force or changed:
            # an answer to the user, or the news of a state: these come seldom, and the run is not to pay for them with a
            # dashboard that stands still afterwards
            self.governor.set_aside(seconds)
            if sent:
                self.governor.learn("redraw", seconds + self.drawing.seconds)
        elif self.status.state != "paused":
            # while the run stands still a redraw costs it nothing
            self.governor.charge("redraw", seconds, measured=sent, beside=self.drawing.seconds if sent else 0.0)
        return self._keep()

    def _may_redraw(self, now: float) -> bool:
        """Whether a frame can be paid for, the browser has drawn the last one, and none has to wait to be measured."""
        if not (self.governor.due("redraw") and self.dashboard.due(now)):
            return False
        return math.isinf(self.governor.budget) or not self.drawing.rests(now)

    def _keep(self) -> None:
        """Renew the picture that stays in the notebook: seldom during a run, which pays for it, else when it has changed."""
        busy = self.status.state in ("running", "compiling")
        if not self.dashboard.stills.due(busy) or (busy and not self.governor.budget):
            return
        started = time.perf_counter()
        self.dashboard.keep(self.stated(), self.findings, self.notices)
        (self.governor.charge_all if busy else self.governor.set_aside)(time.perf_counter() - started)

    def stated(self) -> Status:
        """The status with the numbers of this moment; who records a run asks for it, in another thread."""
        seconds, step, target = self.governor.clock_seconds, self.status.step, self.status.target
        return replace(
            self.status,
            steps_per_second=1 / seconds if seconds else 0.0,
            seconds_left=(target - step) * seconds if target is not None and seconds else None,
            probe_every={kind: self.watcher.every(payer) for kind, payer in self.kinds.items()},
            watching_share=self.governor.watching_share,
            watching_seconds=self.governor.spent_seconds / max(self.governor.steps, 1),
            redraw_seconds=self.governor.cost("redraw"),
            multiplier=self.controls.multiplier,
        )

    def _obey_aside(self) -> None:
        with self.aside:
            self.obey()
            self.show(force=True)

    def _do(self, command: Command) -> None:
        if command.name not in self._tasks:
            raise ValueError(_TASKS[command.name])
        before = self.status.message
        try:
            self._tasks[command.name](command.value)
        finally:
            if command.name == "rewind":
                self.controls.paused = self.controls.paused or self.running
            else:
                self.status = replace(self.status, message=before)

    def rewound(self, step: int, words: str) -> None:
        """The run stands at another step now, for a reason."""
        state = "paused" if self.running else self.status.state
        self.status = replace(self.status, step=step)
        self.show(state, f"paused: {words}" if self.running else words, force=True)

    def _run_on(self, steps: int) -> None:
        """Make so many more steps and pause; the run itself is at least as long as that."""
        last = self.status.step + steps
        self.controls.apply(Command("resume"))
        self.controls.apply(Command("pause_when", ("step", last)))
        if self.status.target is not None:
            self.status = replace(self.status, target=max(self.status.target, last))

    def _check_conditions(self, step: int) -> None:
        """Pause if a condition holds. Only one that asks for the findings pays for judging the whole history."""
        started = time.perf_counter()
        readings, held = _Newest(self.readings, self.history), None
        try:
            held = self.controls.check(step, readings, lambda: len(self.findings))
        except ValueError as error:
            self.notices.append(Notice("pause_when", str(error), traceback.format_exc()))
        if step >= _PATIENCE:
            self._tell_missing(readings)
        if held is not None:
            self.controls.paused = True
            self.status = replace(self.status, state="paused", message=f"paused: {held}")
        self.governor.charge_all(time.perf_counter() - started)

    def _tell_missing(self, readings: Mapping[str, Any]) -> None:
        for words, reading in self.controls.missing.items():
            if words not in self._told:
                self._told.add(words)
                known = ", ".join(sorted(readings))
                message = f"{words} waits for the reading {reading}, which nothing gives so far. There are: {known}."
                self.notices.append(Notice("pause_when", message))

    def _judge(self, rule: Any) -> list[Finding]:
        if id(rule) in self._broken_rules or not self.history.version:
            return []
        try:
            found = rule.check(self.history)
            findings = [found] if isinstance(found, Finding) else list(found or ())
            if not all(isinstance(each, Finding) for each in findings):
                raise TypeError(f"check(history) must return a Finding, None, or a list of Findings; got {found!r}")
        except UnknownReading:
            # what it looks at was not read yet
            self._waiting_rules.add(id(rule))
            return []
        except Exception as error:
            self._broken_rules.add(id(rule))
            name = _name(rule)
            hint = f"; give an instance, {name}()" if isinstance(rule, type) else ""
            message = f"the rule was left out: {error}{hint}"
            self.notices.append(Notice(name, message, traceback.format_exc()))
            return []
        return findings


def _name(rule: Any) -> str:
    return rule.__name__ if isinstance(rule, type) else type(rule).__name__


class _Newest(Mapping[str, Any]):
    """The newest readings by name: numbers, or for those of each layer an array of float32 (layers,)."""

    def __init__(self, step: dict[str, float], history: History) -> None:
        self._step, self._history = step, history

    def __getitem__(self, name: str) -> Any:
        if name in self._step:
            return self._step[name]
        latest = self._history.latest(name)
        if latest is None:
            raise KeyError(name)
        return latest[1] if latest[1].size > 1 else float(latest[1][0])

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*self._step, *self._history.names())))

    def __len__(self) -> int:
        return len(list(iter(self)))
