"""Sends a run to an MLflow tracking server."""

from __future__ import annotations

import math
import os
import posixpath
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ._engine import Refused, Row

# Of MLflow: what one request may hold.
_MOST_WORDS = 100
# The limits of its oldest servers in use; later ones take more.
_LONGEST_NAME, _LONGEST_PARAMETER, _LONGEST_TAG = 250, 500, 5000
_STATUS = {"finished": "FINISHED", "stopped": "FINISHED", "failed": "FAILED", "nan": "FAILED"}
# The sender waits and tries again by itself, and nothing is told to anybody but the server.
_ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


class Mlflow:
    """One run on an MLflow server.

    A row that comes twice is one row there, since its time comes twice, too. NaN stays NaN; a server with a database keeps
    infinity as the largest number of float64, 1.8e308.

    Args:
        address: a tracking URI of MLflow's.
        experiment: its name; made if there is none.
    """

    whole = False

    def __init__(self, address: str, experiment: str) -> None:
        os.environ.update({key: value for key, value in _ENVIRONMENT.items() if key not in os.environ})
        from mlflow.tracking import MlflowClient

        self._client, self._experiment, self._id = MlflowClient(address), experiment, ""

    def begin(self, uid: str, name: str, created: float, remote: str | None) -> str:
        """Make the run, or find the one with the same ``nnwidgets.uid``."""
        found = self._known(remote) or self._search(uid)
        if found is None:
            tags = {"nnwidgets.uid": uid}
            found = self._client.create_run(self._place(), int(created * 1000), tags, name)
        elif found.info.lifecycle_stage == "deleted":
            raise Refused(f"the run was deleted at the server; restore it there: mlflow runs restore --run-id {remote}")
        self._id = found.info.run_id
        if found.info.status != "RUNNING":
            # it goes on, or goes on being sent
            self._client.update_run(self._id, "RUNNING")
        return self._id

    def parameters(self, values: Mapping[str, str]) -> None:
        """Those that are there cannot change any more; ``hyperparameters.json`` has the newest."""
        from mlflow.entities import Param

        there = self._client.get_run(self._id).data.params
        named = {_name(key): _cut(value, _LONGEST_PARAMETER) for key, value in values.items()}
        for part in _parts([Param(key, value) for key, value in named.items() if key not in there]):
            self._client.log_batch(self._id, params=part)

    def tags(self, values: Mapping[str, str]) -> None:
        """The commit, the source and the parent under MLflow's own names, too."""
        from mlflow.entities import RunTag

        own = {_OWN[key]: value for key, value in values.items() if key in _OWN and value}
        named = {f"nnwidgets.{key}": value for key, value in values.items()} | own
        for part in _parts([RunTag(_name(key), _cut(value, _LONGEST_TAG)) for key, value in named.items()]):
            self._client.log_batch(self._id, tags=part)

    def log(self, rows: Sequence[Row]) -> None:
        """Metrics; a character that MLflow does not allow in a name becomes ``_``, and a checksum is appended."""
        from mlflow.entities import Metric
        from mlflow.exceptions import MlflowException

        metrics = [Metric(_name(row.name), row.value, int(row.time * 1000), row.step) for row in rows]
        try:
            self._client.log_batch(self._id, metrics)
        except MlflowException as error:
            # Servers before 3.16 do not know a NaN that they have already, and refuse all that comes with it.
            if not _twice(error) or not any(math.isnan(each.value) for each in metrics):
                raise
            self._log_again(metrics)

    def document(self, name: str, text: str) -> None:
        """An artifact."""
        self._client.log_text(self._id, text, name)

    def file(self, path: Path) -> None:
        """An artifact."""
        self._client.log_artifact(self._id, str(path))

    def end(self, state: str, ended: float) -> None:
        """FINISHED, also for one that was stopped on purpose; FAILED, also for NaN; KILLED, also for an interrupt."""
        self._client.set_terminated(self._id, _STATUS.get(state, "KILLED"), int(ended * 1000))

    def _known(self, remote: str | None) -> Any:
        from mlflow.exceptions import MlflowException

        try:
            return self._client.get_run(remote) if remote else None
        except MlflowException as error:
            # another server stands there now
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise

    def _search(self, uid: str) -> Any:
        """A sender may have died after it made the run, and before it wrote that down."""
        found = self._client.search_runs([self._place()], f"tags.`nnwidgets.uid` = '{uid}'", max_results=1)
        return found[0] if found else None

    def _place(self) -> str:
        from mlflow.exceptions import MlflowException

        found = self._client.get_experiment_by_name(self._experiment)
        if found is not None:
            return found.experiment_id
        try:
            return self._client.create_experiment(self._experiment)
        except MlflowException:
            # another run's sender was first
            found = self._client.get_experiment_by_name(self._experiment)
            if found is None:
                raise
            return found.experiment_id

    def _log_again(self, metrics: Sequence[Any]) -> None:
        from mlflow.exceptions import MlflowException

        self._client.log_batch(self._id, [each for each in metrics if not math.isnan(each.value)])
        for each in metrics:
            if math.isnan(each.value):
                try:
                    self._client.log_batch(self._id, [each])
                except MlflowException as error:
                    if not _twice(error):
                        raise


_OWN = {
    "parent": "mlflow.parentRunId",
    "commit": "mlflow.source.git.commit",
    "branch": "mlflow.source.git.branch",
    "source": "mlflow.source.name",
    "source_type": "mlflow.source.type",
    "note": "mlflow.note.content",
}


def _parts(words: list[Any]) -> Iterator[list[Any]]:
    return (words[i : i + _MOST_WORDS] for i in range(0, len(words), _MOST_WORDS))


def _twice(error: Exception) -> bool:
    return re.search("unique|duplicate|integrity", str(error), re.IGNORECASE) is not None


def _name(name: str) -> str:
    """The name as MLflow allows it; two names never become one.

    Example:
        >>> _name("train/loss"), _name("f1@0.5")
        ('train/loss', 'f1_0.5.11e5ac70')
    """
    allowed = re.sub(r"[^\w\-. /]", "_", name, flags=re.ASCII)
    path = posixpath.normpath(allowed).lstrip("./") or "_"
    if path == name and len(name) <= _LONGEST_NAME:
        return name
    return f"{path[: _LONGEST_NAME - 9]}.{zlib.crc32(name.encode()):08x}"


def _cut(value: str, most: int) -> str:
    return value if len(value) <= most else value[: most - 1] + "…"
