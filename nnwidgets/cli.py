"""The command ``nnwidgets``: its arguments, and nothing else."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from nnwidgets import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 all well, 1 the tour failed, 2 it could not be started.

    Args:
        arguments: the words after ``nnwidgets``; None takes those of the process.
    """
    options = _parser().parse_args(arguments)
    # Imported here: `nnwidgets --version` must not wait for Jupyter.
    from nnwidgets import _demo

    try:
        if options.headless:
            return _demo.execute_tour(options.folder)
        return _demo.open_tour(options.folder, browser=not options.no_browser)
    except _demo.CannotStart as trouble:
        print(f"nnwidgets demo: {trouble}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nnwidgets", description="A debugger for neural-network training.")
    parser.add_argument("--version", action="version", version=f"nnwidgets {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="{demo}", required=True)
    demo = commands.add_parser(
        "demo",
        help="open the tour in JupyterLab, or execute it to an HTML page",
        description="Open JupyterLab on your own copy of the tour notebook; your changes to it are kept.",
    )
    demo.add_argument("--folder", type=Path, default=Path("nnwidgets-tour"), help="where it lives (%(default)s)")
    ways = demo.add_mutually_exclusive_group()
    ways.add_argument("--headless", action="store_true", help="execute the tour as shipped and write FOLDER/tour.html")
    ways.add_argument("--no-browser", action="store_true", help="start JupyterLab and print its address only")
    return parser
