"""Complex parameters whose imaginary parts climb."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from nnwidgets.lint import ConjugateGradient, UpdateSign

from ._data_and_optimizer import INPUTS, REAL, batches, classifier, only, silent

CONJUGATE = optax.stateless(lambda grads, _: jax.tree.map(jnp.conj, grads))
PARAMS = {"bias": jnp.zeros(1), "filter": jnp.exp(1j * jnp.arange(INPUTS.shape[1] // 2 + 1)).astype(jnp.complex64)}


def filtered(params: Any, batch: Any) -> Any:
    """A filter in the frequencies of the inputs, as a Fourier layer has it."""
    inputs, targets = batch
    outputs = jnp.fft.irfft(jnp.fft.rfft(inputs) * params["filter"], n=inputs.shape[1])
    return jnp.mean((outputs[:, :1] + params["bias"] - targets) ** 2)


def found(tx: optax.GradientTransformation, rule: Any) -> Any:
    return rule.check(classifier(tx, batches(INPUTS, REAL), PARAMS, filtered))


@pytest.mark.parametrize("tx", [optax.sgd(0.1), optax.adamw(1e-3, weight_decay=1.0)], ids=["sgd", "adamw"])
def test_what_jax_gives_is_not_what_an_optimizer_subtracts(tx: optax.GradientTransformation) -> None:
    finding = only(found(tx, ConjugateGradient()))
    assert finding.severity == "problem" and finding.where == "filter"
    assert silent(found(optax.chain(CONJUGATE, tx), ConjugateGradient()))
    assert silent(found(tx, UpdateSign()))
    assert only(found(optax.chain(CONJUGATE, tx, optax.scale(-1)), UpdateSign())).severity == "problem"


def test_the_loss_rises_along_the_imaginary_part_and_falls_with_the_remedy() -> None:
    """What the rule says is so: one step along the imaginary parts alone."""
    batch = batches(INPUTS, REAL)[0]
    gradient = jax.grad(filtered)(PARAMS, batch)["filter"]

    def after(step: Any) -> float:
        moved = {**PARAMS, "filter": PARAMS["filter"] - 1e-2 * 1j * jnp.imag(step)}
        return float(filtered(moved, batch))

    assert after(gradient) > float(filtered(PARAMS, batch)) > after(jnp.conj(gradient))


@jax.custom_vjp
def conjugated_inside(z: Any) -> Any:
    return z


conjugated_inside.defvjp(lambda z: (z, None), lambda _, g: (jnp.conj(g),))

HEALTHY = {
    "the loss conjugates itself": lambda p, b: filtered({**p, "filter": conjugated_inside(p["filter"])}, b),
    "no imaginary part is used": lambda p, b: filtered({**p, "filter": p["filter"].real + 0j}, b),
    "it is not used at all": lambda p, b: jnp.mean((p["bias"] - b[1]) ** 2),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_what_does_not_climb_is_not_accused(name: str) -> None:
    setup = classifier(optax.adam(1e-3), batches(INPUTS, REAL), PARAMS, HEALTHY[name])
    assert silent(ConjugateGradient().check(setup))


@pytest.mark.parametrize("steps", [2, 3, 4])
# optax accumulates in float32
@pytest.mark.filterwarnings("ignore:Casting complex values to real", "ignore:Casting from complex to real")
def test_accumulated_gradients(steps: int) -> None:
    tx = optax.MultiSteps(optax.adam(1e-3), steps).gradient_transformation()
    assert only(found(tx, ConjugateGradient())).where == "filter"


def test_real_parameters_are_none_of_its_business() -> None:
    assert silent(ConjugateGradient().check(classifier(optax.sgd(0.1))))
    assert not any(map(np.iscomplexobj, jax.tree.leaves(classifier().params)))
