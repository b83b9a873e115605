"""``nnwidgets runs``: the runs on record, on the command line."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

_WHICH = "number, name, the first letters of the uid, or last (%(default)s)"


def add(commands: Any) -> None:
    """Add the command and what can be asked of it."""
    runs = commands.add_parser(
        "runs",
        help="what was trained here, on what, with which code; compare, repeat, send",
        description="The runs on record in .nnwidgets beside the notebook or script.",
    )
    runs.add_argument("--home", type=Path, help="the folder that holds runs.db (NNWIDGETS_HOME, else ./.nnwidgets)")
    asked = runs.add_subparsers(dest="asked", metavar="{list,show,compare,code,rerun,send,tag,note,remove}")
    _command(asked, "list", "all of them, the newest first (also without a word)", json=True)
    _command(asked, "show", "all that is known of one", run="last", json=True)
    compare = _command(asked, "compare", "what differs between two, and what made the numbers differ", json=True)
    compare.add_argument("left", help="number, name or uid")
    compare.add_argument("right", help="number, name or uid")
    code = _command(asked, "code", "the code that was run", run="last")
    code.add_argument(
        "--what",
        choices=("code", "slice", "loss", "model", "diff", "notebook"),
        default="code",
        help="all, what the loss uses, the loss, the model, what git had not seen, or as a notebook (%(default)s)",
    )
    rerun = _command(asked, "rerun", "run it again as it was, and say whether the losses are the same bits", run="last")
    rerun.add_argument(
        "--force", action="store_true", help="even where packages or devices are not those of the record"
    )
    send = _command(
        asked, "send", "bring to a tracking server what it does not have yet; without a run, all that waits"
    )
    send.add_argument("run", nargs="?", help="number, name or uid")
    send.add_argument("--to", metavar="TARGET", help='such as "mlflow:http://127.0.0.1:5000" or "comet:FOLDER"')
    send.add_argument("--follow", action="store_true", help="stay until the run has ended")
    tag = _command(asked, "tag", "mark a run with a word, or take the mark away", run=None)
    tag.add_argument("word")
    tag.add_argument("--off", action="store_true", help="take it away")
    note = _command(asked, "note", "write words about a run", run=None)
    note.add_argument("text")
    remove = _command(asked, "remove", "forget a run for good, with its files", run=None)
    remove.add_argument("--yes", action="store_true", help="without this, only say what would go")


def run(options: argparse.Namespace, say: Callable[[str], None]) -> int:
    """Do what was asked; gives the exit code: 0 done, 1 not the same or not sent, 2 it could not be done.

    Args:
        options: the command line.
        say: prints a line.
    """
    # Imported here: `nnwidgets --version` must not wait.
    from nnwidgets.track import Store, StoreError

    try:
        return _ASKED[options.asked or "list"](Store(options.home), options, say)
    except BrokenPipeError:
        # whoever read the output has seen enough
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        return 0
    except (StoreError, LookupError, ValueError, ImportError, RuntimeError, OSError) as trouble:
        say(f"nnwidgets runs: {trouble}")
        return 2


def _list(store: Any, options: argparse.Namespace, say: Callable[[str], None]) -> int:
    from nnwidgets.track import Runs

    runs = Runs(store)
    if getattr(options, "json", False):
        say(json.dumps({"runs": [asdict(row) for row in runs.rows()]}))
    else:
        # a store that is of another kind is told even where nothing would be listed
        say(repr(runs) if store.path.is_file() and store.runs() else runs.waits)
    return 0


def _show(store: Any, options: argparse.Namespace, say: Callable[[str], None]) -> int:
    found = store.run(options.run)
    say(json.dumps(found.to_dict()) if options.json else found.told())
    return 0


def _compare(store: Any, options: argparse.Namespace, say: Callable[[str], None]) -> int:
    from nnwidgets.track import difference

    found = difference(store.run(options.left), store.run(options.right))
    say(json.dumps(found.to_dict()) if options.json else repr(found))
    return 0


def _code(store: Any, options: argparse.Namespace, say: Callable[[str], None]) -> int:
    from nnwidgets.track import code

    say(code(store.run(options.run), options.what))
    return 0


def _rerun(store: Any, options: argparse.Namespace, say: Callable[[str], None]) -> int:
    from nnwidgets.track import rerun

    found = rerun(store.run(options.run), home=store.folder, out=say, force=options.force)
    say(found.words)
    return 0 if found.equal else 1


def _send(store: Any, options: argparse.Namespace, say: Callable[[str], None]) -> int:
    from nnwidgets.track import send, send_all

    if options.run is None:
        busy: list[str] = []
        sent = send_all(store, options.to, out=lambda line: (busy.append(line), say(line))[1])
        if not sent and not busy:
            say("nothing waits to be sent")
    elif options.to is None:
        raise ValueError('say where to: --to "mlflow:http://127.0.0.1:5000" or --to comet:FOLDER')
    else:
        sent = [send(store, store.run(options.run), options.to, follow=options.follow, out=say)]
    for each in sent:
        say(repr(each))
    return 0 if all(each.state == "sent" for each in sent) else 1


def _tag(store: Any, options: argparse.Namespace, say: Callable[[str], None]) -> int:
    found = store.run(options.run)
    found.untag(options.word) if options.off else found.tag(options.word)
    say(f"{found!r}: {', '.join(found.tags) or 'no tags'}")
    return 0


def _note(store: Any, options: argparse.Namespace, say: Callable[[str], None]) -> int:
    found = store.run(options.run)
    found.annotate(options.text)
    say(f"{found!r}: {found.note}")
    return 0


def _remove(store: Any, options: argparse.Namespace, say: Callable[[str], None]) -> int:
    found = store.run(options.run)
    if not options.yes:
        say(f"{found!r} would go, with {found.folder}; add --yes")
        return 1
    found.remove()
    say(f"{found!r} is gone")
    return 0


_ASKED: dict[str, Callable[[Any, argparse.Namespace, Callable[[str], None]], int]] = {
    "list": _list,
    "show": _show,
    "compare": _compare,
    "code": _code,
    "rerun": _rerun,
    "send": _send,
    "tag": _tag,
    "note": _note,
    "remove": _remove,
}


def _command(asked: Any, name: str, about: str, *, json: bool = False, **run: str | None) -> argparse.ArgumentParser:
    parser = asked.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}.")
    if json:
        parser.add_argument("--json", action="store_true", help="one JSON object, and nothing else")
    if "run" in run:
        if run["run"] is None:
            parser.add_argument("run", help="number, name, the first letters of the uid, or last")
        else:
            parser.add_argument("run", nargs="?", default=run["run"], help=_WHICH)
    return parser
