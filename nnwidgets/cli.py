"""The command ``nnwidgets``: its arguments, and nothing else."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nnwidgets import __version__, _runs_command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 all well, 1 a problem or a failed tour, 2 it could not be started.

    Args:
        arguments: the words after ``nnwidgets``; None takes those of the process.
    """
    options = _parser().parse_args(arguments)
    return {"check": _run_check, "demo": _run_demo, "runs": _run_runs}[options.command](options)


def _run_check(options: argparse.Namespace) -> int:
    # Imported here: `nnwidgets --version` must not wait.
    from nnwidgets import _check

    outcome = _check.check(
        options.file,
        steps=options.steps,
        seed=options.seed,
        verify=options.verify,
        timeout=options.timeout,
        quiet=options.json,
    )
    if options.json:
        print(json.dumps(outcome.report, allow_nan=False))
    if outcome.code == 2:
        print(f"nnwidgets check: {outcome.text}", file=sys.stderr)
    elif not options.json:
        print(outcome.text)
    return outcome.code


def _run_demo(options: argparse.Namespace) -> int:
    # Imported here: `nnwidgets --version` must not wait for Jupyter.
    from nnwidgets import _demo

    try:
        if options.headless:
            return _demo.execute_tour(options.folder)
        return _demo.open_tour(options.folder, browser=not options.no_browser)
    except _demo.CannotStart as trouble:
        print(f"nnwidgets demo: {trouble}", file=sys.stderr)
        return 2


def _run_runs(options: argparse.Namespace) -> int:
    return _runs_command.run(options, print)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nnwidgets", description="A debugger for neural-network training.")
    parser.add_argument("--version", action="version", version=f"nnwidgets {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="{check,demo,runs}", required=True)
    check = commands.add_parser(
        "check",
        help="train what a file builds, and say what is wrong with it",
        description="Run FILE's build(seed=...), which returns a nnw.Session, train it and diagnose it. "
        "Exit code: 0 nothing red, 1 a problem was found, 2 it could not be run.",
    )
    check.add_argument("file", type=Path, metavar="FILE", help="a Python file that defines build(seed=0)")
    check.add_argument("--steps", type=_positive(int), default=200, help="that are trained (%(default)s)")
    check.add_argument("--seed", type=int, default=0, help="handed to build (%(default)s)")
    check.add_argument("--verify", action="store_true", help="try the remedies, and say whether they help")
    check.add_argument("--json", action="store_true", help="one JSON object on standard output, and nothing else")
    check.add_argument("--timeout", type=_positive(float), default=600, help="seconds for all of it (%(default)s)")
    demo = commands.add_parser(
        "demo",
        help="open the tour in JupyterLab, or execute it to an HTML page",
        description="Open JupyterLab on your own copy of the tour notebook; your changes to it are kept.",
    )
    demo.add_argument("--folder", type=Path, default=Path("nnwidgets-tour"), help="where it lives (%(default)s)")
    ways = demo.add_mutually_exclusive_group()
    ways.add_argument("--headless", action="store_true", help="execute the tour as shipped and write FOLDER/tour.html")
    ways.add_argument("--no-browser", action="store_true", help="start JupyterLab and print its address only")
    _runs_command.add(commands)
    return parser


def _positive(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    """Reads a number above 0."""

    def read(word: str) -> Any:
        number = kind(word)
        if not number > 0:
            raise argparse.ArgumentTypeError(f"{word} is not above 0")
        return number

    # argparse names it where a word is no number at all
    read.__name__ = kind.__name__
    return read
