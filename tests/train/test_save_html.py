"""A session, a monitor and a run on record write their page."""

from __future__ import annotations

import jax.numpy as jnp
import optax
import pytest

import nnwidgets as nnw


def loss_fn(params, batch):
    return jnp.mean((batch @ params["w"] - 1.0) ** 2)


def test_a_session_writes_its_page_and_the_run_on_record_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv("NNWIDGETS_HOME", str(tmp_path / "store"))
    monkeypatch.delenv("NNWIDGETS_TRACK", raising=False)
    monkeypatch.chdir(tmp_path)
    session = nnw.Session(
        nnw.Objective(loss_fn, {"w": jnp.zeros(2)}), optax.sgd(0.1), [jnp.ones((4, 2))], name="<mine>"
    )
    assert "Nothing to judge yet" in session.save_html("empty.html").read_text("utf-8")
    session.run(30)
    page = session.save_html().read_text("utf-8")
    assert "<h1>&lt;mine&gt;</h1>" in page and ">finished</span>" in page and "<dd>30</dd>" in page
    assert "optimizer 1" in page and "learning_rate=0.1" in page and "float32[4, 2]" in page
    assert (tmp_path / "report.html").is_file() and not session.notices
    again = session.record.save_html(tmp_path / "again.html").read_text("utf-8")
    assert "<h1>&lt;mine&gt;</h1>" in again and "learning_rate=0.1" in again and '<section id="loss"' in again
    with pytest.raises(IsADirectoryError, match="is a folder"):
        session.save_html(tmp_path)
    session.run(1)


def test_a_store_that_is_gone_costs_the_set_up_alone(tmp_path, monkeypatch):
    session = nnw.Session(nnw.Objective(loss_fn, {"w": jnp.zeros(2)}), optax.sgd(0.1), [jnp.ones((4, 2))], track=False)
    session.run(5)

    class Gone:
        def about(self):
            raise OSError("the disk is gone")

    monkeypatch.setattr(type(session), "record", property(lambda _: Gone()))
    page = session.save_html(tmp_path / "report.html").read_text("utf-8")
    assert '<section id="loss"' in page and '<section id="facts"' not in page
    assert "the set-up is left out of the page: the disk is gone" in session.notices[-1].message


def test_a_monitor_writes_its_page(tmp_path):
    params = {"w": jnp.zeros(2)}
    monitor = nnw.Monitor(nnw.Objective(loss_fn, params))
    opt_state = monitor.instrument(optax.sgd(0.1)).init(params)
    for _ in monitor.steps([jnp.ones((4, 2))] * 3):
        opt_state = monitor.record(loss=1.0, params=params, opt_state=opt_state)
    assert '<section id="loss"' in monitor.save_html(tmp_path / "monitor.html").read_text("utf-8")
