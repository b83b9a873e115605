"""What experiments cost: ``python -m tests.benchmarks.explore [--quick] [--json]``.

Costs are those of the reference models; their unit is one loss with its gradient on a batch of 32, compiled by JAX alone.
Variants run in turn, and a ratio is the median over the rounds. The top eigenvalue is found from another random vector each
time, at the initial point, and held against one from 60 products. A surface has 21 x 21 points, along other directions each
time. The map trains many learning rates from several seeds in one program.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence

import jax

from . import _explore_curvature, _explore_map
from ._measure import Row, options, report

# Each gives its rows; told whether it must be quick.
PARTS: tuple[Callable[[bool], list[Row]], ...] = (_explore_curvature.rows, _explore_map.rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and give the exit code: 1 if a goal was missed."""
    given = options("explore", "What experiments cost.", "the two small models, in a minute", arguments)
    started = time.perf_counter()
    rows = [row for part in PARTS for row in part(given.quick)]
    about = {"jax": f"{jax.__version__} on {jax.default_backend()}", "seconds": round(time.perf_counter() - started)}
    return report(rows, as_json=given.json, **about)


if __name__ == "__main__":
    sys.exit(main())
