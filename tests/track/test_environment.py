import json
import os
import sys
import threading

import jax
import numpy as np
import pytest

from nnwidgets.track.facts import _packages
from nnwidgets.track.facts._environment import capture


def test_a_run_knows_its_python_packages_and_jax():
    about = capture()
    json.dumps(about)
    assert about["python"] == ".".join(map(str, sys.version_info[:3]))
    assert about["cpus"] == os.cpu_count()
    assert about["packages"]["numpy"] == np.__version__
    assert {"numpy", "jax"} <= set(about["imported"]) <= set(about["packages"])
    assert about["jax"]["backend"] == jax.default_backend()
    assert sum(about["jax"]["devices"].values()) == len(jax.devices())


def test_a_package_that_nothing_imported_is_told_from_one_in_use(tmp_path, monkeypatch):
    for name, module in (("used-one", "track_used"), ("left-alone", "track_alone")):
        folder = tmp_path / f"{name.replace('-', '_')}-1.5.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n")
        (folder / "top_level.txt").write_text(module)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(sys.modules, "track_used", sys)
    assert _packages.installed()["left-alone"] == "1.5"
    assert "used-one" in _packages.imported() and "left-alone" not in _packages.imported()


@pytest.mark.parametrize("setting, value", [("jax_enable_x64", True), ("jax_default_matmul_precision", "highest")])
def test_settings_of_jax_that_change_numbers_are_read(setting, value):
    name, before = setting.removeprefix("jax_"), getattr(jax.config, setting)
    assert capture()["jax"][name] == before
    jax.config.update(setting, value)
    try:
        assert capture()["jax"][name] == value
    finally:
        jax.config.update(setting, before)


def test_only_listed_variables_are_read_and_secrets_in_them_are_masked(monkeypatch):
    pytest.importorskip("nnwidgets.track.sources._secrets")
    monkeypatch.setenv("XLA_FLAGS", "--xla_flag=1")
    monkeypatch.setenv("TF_CUDNN_DETERMINISTIC", "1")
    monkeypatch.setenv("JAX_SOMETHING", "https://me:hunter2hunter2@example.org")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.setenv("MY_JAX_TOKEN", "hunter2")
    found = capture()["variables"]
    assert found["XLA_FLAGS"] == "--xla_flag=1" and found["TF_CUDNN_DETERMINISTIC"] == "1"
    assert "hunter2" not in json.dumps(found)


def test_it_may_be_called_from_any_thread():
    found = []
    threads = [threading.Thread(target=lambda: found.append(capture())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3 and found[0] == found[1] == found[2]
