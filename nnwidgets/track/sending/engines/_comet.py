"""Writes a run as an offline archive of Comet's, and uploads it if it is to go to comet.com."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ._engine import Refused, Row

# Before the package is imported: it would report its errors, and change other packages that are imported.
_ENVIRONMENT = {
    "COMET_ERROR_TRACKING_ENABLE": "false",
    "COMET_DISABLE_AUTO_LOGGING": "1",
    "COMET_DISABLE_ANNOUNCEMENT": "true",
    "COMET_LOGGING_CONSOLE": "ERROR",
}
# Whatever Comet would take down by itself: about this process, which is not the one that trained.
_OWN_LOGS = (
    "log_code", "log_graph", "auto_param_logging", "auto_metric_logging", "parse_args", "auto_output_logging",
    "log_env_details", "log_git_metadata", "log_git_patch", "log_env_gpu", "log_env_host", "log_env_cpu",
    "log_env_network", "log_env_disk", "auto_weight_logging", "auto_histogram_tensorboard_logging",
    "auto_histogram_weight_logging", "auto_histogram_gradient_logging", "auto_histogram_activation_logging",
)  # fmt: skip


class Comet:
    """One run as one archive, whose name is the run's uid.

    An archive that is half written cannot be continued, so it is written in one go when the run has ended, and anew if the run
    goes on after that; Comet takes only one upload of a uid. It marks all numbers with the time of writing, and keeps a
    parameter ``curr_step`` of its own: the steps of the numbers are the run's. Nothing is sent anywhere, unless the archive
    goes to comet.com.

    Args:
        folder: where archives are put; "": each is uploaded instead, with the key that ``COMET_API_KEY`` or the file
            ``~/.comet.config`` holds.
    """

    whole = True

    def __init__(self, folder: str) -> None:
        os.environ.update({key: value for key, value in _ENVIRONMENT.items() if key not in os.environ})
        from comet_ml import OfflineExperiment

        self._new = OfflineExperiment
        self._folder = Path(folder).expanduser().absolute() if folder else None
        self._parts: tempfile.TemporaryDirectory[str] | None = None
        self._experiment: Any = None

    def begin(self, uid: str, name: str, created: float, remote: str | None) -> str:
        """A new archive; what was written of another one is left out."""
        self._drop()
        self._parts = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._experiment = self._new(
            experiment_key=uid,
            offline_directory=self._parts.name,
            project_name=os.environ.get("COMET_PROJECT_NAME", "nnwidgets"),
            display_summary_level=0,
            **dict.fromkeys(_OWN_LOGS, False),
        )
        self._experiment.set_name(name)
        self._experiment.log_other("nnwidgets.created", created)
        return uid

    def parameters(self, values: Mapping[str, str]) -> None:
        """Hyperparameters."""
        self._experiment.log_parameters(dict(values))

    def tags(self, values: Mapping[str, str]) -> None:
        """The user's tags as Comet's; the rest as "other"."""
        if values.get("tags"):
            self._experiment.add_tags(values["tags"].split(", "))
        self._experiment.log_others({f"nnwidgets.{key}": value for key, value in values.items()})

    def log(self, rows: Sequence[Row]) -> None:
        """Metrics."""
        for row in rows:
            self._experiment.log_metric(row.name, row.value, step=row.step)

    def document(self, name: str, text: str) -> None:
        """Code as code, other texts as assets."""
        if name.startswith("code/"):
            self._experiment.log_code(code=text, code_name=name)
        else:
            self._experiment.log_asset_data(text, name=name)

    def file(self, path: Path) -> None:
        """An asset; it is copied."""
        self._experiment.log_asset(str(path), file_name=path.name, copy_to_tmp=True)

    def end(self, state: str, ended: float) -> None:
        """The archive is closed, and put in its place or uploaded."""
        self._experiment.log_other("nnwidgets.ended", ended)
        self._experiment.end()
        assert self._parts is not None
        archive = Path(self._parts.name, f"{self._experiment.get_key()}.zip")
        if not archive.is_file():
            raise OSError(f"Comet wrote no archive {archive.name}: is the disk full?")
        if self._folder is None:
            _upload(archive)
        else:
            _put(archive, self._folder)
        self._drop()

    def _drop(self) -> None:
        if self._parts is not None:
            self._parts.cleanup()
        self._parts = self._experiment = None


def _put(archive: Path, folder: Path) -> None:
    """Never half of it under its name."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{archive.name}.part"
    part.write_bytes(archive.read_bytes())
    os.replace(part, folder / archive.name)


def _upload(archive: Path) -> None:
    from comet_ml.config.config_api import get_api_key, get_config
    from comet_ml.offline import upload_single_offline_experiment

    key = get_api_key(None, get_config())
    if not key:
        raise Refused(
            "comet.com wants a key: set COMET_API_KEY, or send to comet:FOLDER and upload the archive yourself."
        )
    if not upload_single_offline_experiment(str(archive), key, force_upload=False):
        raise OSError("comet.com did not take the archive; its reasons are in the lines before.")
