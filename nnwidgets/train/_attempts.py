"""What is tried on copies of a run: a change, a remedy, an experiment, the diagnosis that needs them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import optax

from nnwidgets.objective import Objective
from nnwidgets.records import Diagnosis, ExperimentInfo, Exploration, Finding, Fork
from nnwidgets.rules import rank

from ._diagnose import Stopwatch, checks_of, confirm
from ._diagnose import verify as verify_remedies
from ._fork import Change, Way, fork
from ._interrupt import Halted
from ._questions import LINTED, Questions

if TYPE_CHECKING:
    from nnwidgets.explore import Explorer, Lab

# Steps that a diagnosis looks at, at least: the rules want five to twelve readings.
LOOKS = 20


class Attempts(Questions):
    """The part of a `Session` that tries things out, beside the run and never in it."""

    run: Callable[..., Any]
    _experiments: tuple[Any, ...] | None

    def fork(
        self,
        steps: int = 100,
        *,
        multiplier: float | None = None,
        tx: optax.GradientTransformation | None = None,
        objective: Objective | None = None,
        params: Any = None,
        keys: int = 5,
    ) -> Fork:
        """Try a change: go on from here with it and without, with the same batches and keys; the session stays where it is.

        Args:
            steps: of each way; fewer if the data ends.
            multiplier: of the learning rate; that of the run if None.
            tx: another optimizer. Its state is taken over where it has the same form (another learning rate), else begins anew.
            objective: another loss, of parameters of the same form.
            params: other parameters; the optimizer's state begins anew.
            keys: how many times, each with other random numbers and another order of the batches.

        Returns:
            both curves and their paired difference with its uncertainty; the loss panel shows them, too.

        Raises:
            ValueError: nothing is changed, or there is no batch left.
            RuntimeError: the session is running.
        """
        change = Change(multiplier, tx, objective, params)
        change.check(self.params)
        if not all(isinstance(each, (int, np.integer)) and each >= 1 for each in (steps, keys)):
            raise ValueError(f"steps and keys must be whole numbers of at least 1, got {steps!r} and {keys!r}.")
        with self._standing_still("fork"):
            batches = self._batches.window(self.step, steps)
            unchanged = Way(self._programs, self._here, self._desk.controls.multiplier)
            changed, words = change.way(unchanged, self.objective, self._tx)
            found = fork((unchanged, changed), batches, self._key, keys, change=words, told=self._tell)
            self.history.add_fork(found)
            self._tell("")
        return found

    def diagnose(self, steps: int = 200, *, verify: bool = False) -> Diagnosis:
        """Say what is wrong with this training program, with evidence: before the first step, over some steps, by experiments.

        Where the loss calls a `custom_vjp` or `custom_jvp` of one's own, its gradients are checked, too (see `gradcheck`).

        Args:
            steps: that are trained in between.
            verify: try the remedies of the first red findings: 100 steps over five keys from the first state, beside
                the unchanged run.

        Raises:
            ValueError: there is no batch, or `steps` is no positive whole number.
            RuntimeError: the session is running.
        """
        from nnwidgets.gradchecks import has_own_rules

        if not isinstance(steps, (int, np.integer)) or steps < 1:
            raise ValueError(f"steps must be a whole number of at least 1, got {steps!r}: type session.diagnose(200).")
        watch, began = Stopwatch(), self.step
        with watch, self._standing_still("diagnose"):
            self.timeline.keep(self._here, pin=True)
            setup = self._lint()
        static = watch.seconds
        self._desk.watcher.at_least = max(1, steps // LOOKS)
        try:
            self.run(steps)
        finally:
            self._desk.watcher.at_least = None
        with watch, self._standing_still("diagnose"):
            ended = self.step - began < steps and self.status.message.startswith("the data ended")
            self.history.facts = replace(self.history.facts, data_ended=ended)
            if has_own_rules(setup.train.closed):
                # whoever writes derivatives by hand may err, and neither loss nor norms show it
                self.gradcheck("quick")
            bench = self._bench(setup)
            findings = confirm(self._desk.judge(final=True), bench, self.notices)
            findings = verify_remedies(rank(findings), bench, self.notices) if verify else list(rank(findings))
            self._desk.settle(findings)
            self._desk.show(force=True)
        red = {each.rule for each in findings}
        looked = self._desk.looked
        passed = tuple(name for name in (*self._passed, *looked) if name not in red)
        losses = self.timeline.losses
        return Diagnosis(
            tuple(findings), checks_of(self.history.facts, losses), passed, self.step - began, watch.seconds,
            static, watch.compiling,
            tuple(f"{each.source}: {each.message}" for each in self.notices),
        )  # fmt: skip

    @property
    def experiments(self) -> tuple[Any, ...]:
        """What `explore` can try, in the order of the checklist's fourth step."""
        if self._experiments is None:
            from nnwidgets.explore import DEFAULT_EXPERIMENTS

            self._experiments = DEFAULT_EXPERIMENTS
        return self._experiments

    @property
    def explore(self) -> Explorer:
        """Experiments about the parameters of training, on copies of the run: ``session.explore.learning_rate_range()``.

        Each tells its cost before it starts and its progress while it goes on; the kernel's stop button or the panel's
        Stop ends it, and it tells what it has. Displayed, it lists them.
        """
        from nnwidgets.explore import Explorer

        return Explorer(self.experiments, self._explore, self._experiment_infos)

    def _explore(self, experiment: Any) -> Exploration:
        with self._standing_still(f"try {experiment.name}"):
            return self._try_out(experiment)

    def _try_out(self, experiment: Any) -> Exploration:
        from nnwidgets.explore import run_experiment

        self._desk.halt.clear()
        try:
            with Halted(self._desk.halt):
                found = run_experiment(experiment, self.lab())
            self.history.add_exploration(found)
        finally:
            self._tell("")
        return found

    def lab(self, seconds: float = float("inf")) -> Lab:
        """What an experiment works with: copies of this run's state, its batches, its clock.

        Args:
            seconds: that the experiment may take, about.
        """
        from nnwidgets.explore import Lab

        pace = self.status.steps_per_second
        return Lab(
            self.objective, self._tx, self._here,
            find_first=lambda: self._bench(self._setup()).start,
            find_spike=self._find_spike,
            find_visited=lambda: [self._past.state_at(step) for step in self.timeline.steps],
            draw=lambda count: self._batches.window(self.step, count),
            make_setup=self._setup, key=self._key, history=self.history,
            find_validation=lambda: list(islice(self._validation or (), LINTED)), multiplier=self._desk.controls.multiplier,
            tell=self._tell, stopped=self._desk.halt.is_set, seconds=seconds, step_seconds=1 / pace if pace else None,
        )  # fmt: skip

    def _experiment_infos(self) -> tuple[ExperimentInfo, ...]:
        from nnwidgets.explore import infos

        return infos(self.experiments, self.lab())

    def _explore_here(self, name: Any) -> None:
        known = {each.name: each for each in self.experiments}
        if name not in known:
            raise ValueError(f"there is no experiment named {name!r}; there are {', '.join(known)}.")
        with self._here_or_still(f"try {name}"):
            self._try_out(known[name])

    def verify(self, finding: Finding) -> Finding:
        """Try the remedy of a finding: 100 steps over five keys from the first state in reach, with it and without.

        Returns:
            the finding with `tried`, and with `verified` where the loss is lower for certain; the dashboard shows it, too.

        Raises:
            ValueError: its remedy is nothing that can be run.
            RuntimeError: the session is running.
        """
        if finding.change is None:
            raise ValueError(f"the remedy of {finding.rule} cannot be run: {finding.remedy}")
        with self._standing_still("try a remedy"):
            return self._verify(finding)

    def _verify(self, finding: Finding) -> Finding:
        self._tell(f"trying: {finding.remedy}")
        (found,) = verify_remedies([replace(finding, severity="problem")], self._bench(self._setup()), self.notices)
        found = replace(found, severity=finding.severity)
        self._desk.settle([found])
        self._desk.show(force=True)
        return found

    def _verify_here(self, which: tuple[str, str]) -> None:
        with self._here_or_still("try a remedy"):
            for each in self.findings:
                if (each.rule, each.where) == tuple(which):
                    self._verify(each)
