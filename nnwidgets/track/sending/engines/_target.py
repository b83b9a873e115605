"""Which tracking system the words of a user mean."""

from __future__ import annotations

import importlib.util
import re
from urllib.parse import urlsplit

from ._engine import Engine

_PACKAGE = {"mlflow": "mlflow", "comet": "comet_ml"}


def parse_target(target: str) -> tuple[str, str, str]:
    """The system, the address there, and the experiment or "".

    Args:
        target: "mlflow:" and a tracking URI of MLflow's, and "#" and an experiment after it where it is not "nnwidgets";
            "comet:" and a folder for offline archives; "comet:" alone for comet.com.

    Raises:
        ValueError: it is something else.

    Example:
        >>> parse_target("mlflow:http://127.0.0.1:5000#mnist")
        ('mlflow', 'http://127.0.0.1:5000', 'mnist')
        >>> parse_target("comet:archives")
        ('comet', 'archives', '')
    """
    system, colon, address = target.partition(":")
    if not colon or system not in _PACKAGE or (system == "mlflow" and not address.strip()):
        raise ValueError(
            f'{target!r} is no place to send runs to: use "mlflow:http://HOST:PORT" or "mlflow:http://HOST:PORT#EXPERIMENT" '
            'for an MLflow server, "comet:FOLDER" for offline archives of Comet, or "comet:" for comet.com.'
        )
    if system == "comet":
        return system, address, ""
    address, _, experiment = address.partition("#")
    if re.match("https?:", address) and (urlsplit(address).password or urlsplit(address).username):
        raise ValueError(
            f"the address of {urlsplit(address).hostname} holds a name or password, which would be written into the store: "
            "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, and leave it out."
        )
    return system, address, experiment


def engine(target: str) -> Engine:
    """What sends runs there. It sets the environment of the process that it is made in, so make it in one of its own.

    Args:
        target: see `parse`.

    Raises:
        ValueError: there is no such place.
        ImportError: its package is not installed.
    """
    system, address, experiment = parse_target(target)
    if importlib.util.find_spec(_PACKAGE[system]) is None:
        raise ImportError(f'runs are sent to {target} by a package that is missing: pip install "nnwidgets[{system}]"')
    if system == "mlflow":
        from ._mlflow import Mlflow

        return Mlflow(address, experiment or "nnwidgets")
    from ._comet import Comet

    return Comet(address)
