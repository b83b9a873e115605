"""The experiments of a session, each as a method."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any

from nnwidgets.records import ExperimentInfo, Exploration


class Explorer:
    """What can be tried on a run: ``session.explore`` lists it, ``session.explore.learning_rate_range()`` runs one.

    Every experiment works on copies; its options are its arguments, and ``help(session.explore.learning_rate_range)`` tells
    them.

    Args:
        experiments: those that there are.
        run: runs one.
        infos: tells what each answers and costs.
    """

    def __init__(
        self,
        experiments: Sequence[Any],
        run: Callable[[Any], Exploration],
        infos: Callable[[], Sequence[ExperimentInfo]],
    ) -> None:
        self._experiments = {each.name.replace(" ", "_"): each for each in experiments}
        self._run, self._infos = run, infos

    def __getattr__(self, name: str) -> Callable[..., Exploration]:
        if name.startswith("_") or name not in self._experiments:
            raise AttributeError(f"there is no experiment {name!r}; there are {', '.join(self._experiments)}")
        experiment = self._experiments[name]

        def run(**options: Any) -> Exploration:
            known = [each.name for each in fields(experiment)]
            if unknown := sorted(set(options) - set(known)):
                raise TypeError(
                    f"{name} has no option {', '.join(unknown)}; its options are {', '.join(known) or 'none'}."
                )
            return self._run(replace(experiment, **options))

        run.__name__, run.__doc__ = name, type(experiment).__doc__
        return run

    def __dir__(self) -> list[str]:
        return sorted(self._experiments)

    def __repr__(self) -> str:
        lines = ["What can be tried on this run, on copies of its state:"]
        for name, info in zip(self._experiments, self._infos(), strict=True):
            lines += [f"  session.explore.{name}()   [{info.cost}]", f"      {info.about}"]
        return "\n".join(lines)
