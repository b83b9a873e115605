"""Four small networks into whose gradients a fault can be planted, chosen at run time: one compiled program, many trials."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nnwidgets.gradchecks import Function, make_function

KINDS = (
    "none",
    "sign",
    "factor 2",
    "transposed weight gradient",
    "1 % in a block",
    "1 % in one coordinate",
    "missing term",
    "stop_gradient in the wrong place",
    "wrong custom rule used twice",
)
CLASSES, EXAMPLES = 5, 4


@jax.custom_vjp
def tampered(x: jax.Array, kind: jax.Array, where: jax.Array) -> jax.Array:
    """A product with one, whose gradient is tampered with: `kind` counts in KINDS, `where` is a coordinate."""
    return 1 * x


def _tampered_bwd(residuals: Any, g: jax.Array) -> Any:
    kind, where = residuals
    flat = g.ravel()
    place = jnp.arange(g.size)
    block = (place >= where) & (place < where + max(g.size // 16, 1))
    turned = g.T if g.ndim == 2 and g.shape[0] == g.shape[1] else g
    wrong = [
        g,
        -g,
        2 * g,
        turned,
        (flat * jnp.where(block, 1.01, 1)).reshape(g.shape).astype(g.dtype),
        (flat * jnp.where(place == where, 1.01, 1)).reshape(g.shape).astype(g.dtype),
    ]
    return sum(jnp.where(kind == k, each, 0) for k, each in enumerate(wrong)) + jnp.where(kind > 5, g, 0), None, None


tampered.defvjp(lambda x, kind, where: (1 * x, (kind, where)), _tampered_bwd)


@jax.custom_vjp
def softsign(x: jax.Array, kind: jax.Array) -> jax.Array:
    """x / (1 + |x|); with the last kind its rule forgets the square."""
    return x / (1 + jnp.abs(x))


softsign.defvjp(
    lambda x, kind: (x / (1 + jnp.abs(x)), (x, kind)),
    lambda residuals, g: (
        jnp.where(
            residuals[1] == KINDS.index("wrong custom rule used twice"),
            g / (1 + jnp.abs(residuals[0])),
            g / (1 + jnp.abs(residuals[0])) ** 2,
        ),
        None,
    ),
)


def branch(x: jax.Array, kind: jax.Array) -> jax.Array:
    """One of two terms of a sum: its gradient is lost, by a rule or by a stop_gradient, where the kind says so."""
    lost = tampered(x, jnp.where(kind == KINDS.index("missing term"), -1, 0), 0)
    return jnp.where(kind == KINDS.index("stop_gradient in the wrong place"), jax.lax.stop_gradient(x), lost)


def cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1))


def mlp(params: Any, batch: Any, kind: jax.Array) -> jax.Array:
    x = jax.nn.relu(batch["x"] @ params["first"]["w"] + params["first"]["b"])
    x = softsign(x @ params["second"]["w"] + params["second"]["b"], kind) + branch(x, kind)
    x = softsign(x @ params["third"]["w"] + params["third"]["b"], kind)
    return cross_entropy(x @ params["head"]["w"] + params["head"]["b"], batch["y"])


def cnn(params: Any, batch: Any, kind: jax.Array) -> jax.Array:
    def conv(x: jax.Array, layer: Any) -> jax.Array:
        return jax.lax.conv_general_dilated(
            x, layer["w"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        ) + layer["b"]  # fmt: skip

    def pool(x: jax.Array) -> jax.Array:
        return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

    x = pool(jax.nn.relu(conv(batch["x"], params["first"])))
    x = pool(softsign(conv(x, params["second"]), kind) + branch(x, kind)).reshape(EXAMPLES, -1)
    x = softsign(jnp.tanh(x @ params["third"]["w"] + params["third"]["b"]), kind)
    return cross_entropy(x @ params["head"]["w"] + params["head"]["b"], batch["y"])


def recurrent(params: Any, batch: Any, kind: jax.Array) -> jax.Array:
    def cell(h: jax.Array, x: jax.Array) -> Any:
        new = softsign(x @ params["first"]["w"] + h @ params["second"]["w"] + params["second"]["b"], kind)
        h = 0.5 * new + 0.5 * branch(h, kind)
        return h, None

    h, _ = jax.lax.scan(cell, jnp.zeros((EXAMPLES, 8), batch["x"].dtype), batch["x"].swapaxes(0, 1))
    h = softsign(h @ params["third"]["w"] + params["third"]["b"], kind)
    return cross_entropy(h @ params["head"]["w"] + params["head"]["b"], batch["y"])


def transformer(params: Any, batch: Any, kind: jax.Array) -> jax.Array:
    def norm(x: jax.Array) -> jax.Array:
        return (x - x.mean(-1, keepdims=True)) * jax.lax.rsqrt(x.var(-1, keepdims=True) + 1e-5)

    def attend(x: jax.Array, layer: Any) -> jax.Array:
        q, k, v = jnp.split(x @ layer["w"] + layer["b"], 3, -1)
        return jax.nn.softmax(q @ k.swapaxes(1, 2) / 8**0.5) @ v

    x = params["embed"]["w"][batch["x"]]
    for name in ("first", "second"):
        x = branch(x, kind) + attend(norm(x), params[name]) @ params[name + "_out"]["w"]
        x = x + jax.nn.gelu(norm(x) @ params[name + "_up"]["w"]) @ params[name + "_up"]["w"].T
    x = softsign(softsign(x.mean(1) @ params["third"]["w"] + params["third"]["b"], kind), kind)
    return cross_entropy(x @ params["head"]["w"] + params["head"]["b"], batch["y"])


WIDTH = {"first": (12, 8), "second": (8, 8), "third": (8, 8), "head": (8, CLASSES)}
LAYERS: dict[str, tuple[Callable[..., Any], dict[str, tuple[int, ...]]]] = {
    "MLP": (mlp, WIDTH),
    "CNN": (cnn, {"first": (3, 3, 2, 4), "second": (3, 3, 4, 4), "third": (16, 16), "head": (16, CLASSES)}),
    "recurrent": (recurrent, {**WIDTH, "first": (6, 8)}),
    "transformer": (
        transformer,
        {
            "embed": (11, 8), "first": (8, 24), "second": (8, 24), "third": (8, 8), "head": (8, CLASSES),
            "first_out": (8, 8), "second_out": (8, 8), "first_up": (8, 16), "second_up": (8, 16),
        },
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Model:
    """One of the networks.

    Attributes:
        function: what is checked; its last three inputs are kind, tensor and coordinate of the fault.
        step: (tensors, batch leaves) -> tensors: one step of gradient descent without a fault.
    """

    name: str
    function: Function
    step: Any
    _shapes: dict[str, tuple[int, ...]]

    def fresh(self, seed: int) -> list[np.ndarray]:
        """Tensors as they are initialised: biases at zero."""
        rng, params = np.random.default_rng(seed), {}
        for name, shape in self._shapes.items():
            scale = 1.0 if name == "embed" else np.prod(shape[:-1]) ** -0.5
            params[name] = {"w": (scale * rng.standard_normal(shape)).astype(np.float32)}
            if not name.endswith(("embed", "_out", "_up")) and not (self.name == "recurrent" and name == "first"):
                params[name]["b"] = np.zeros(shape[-1], np.float32)
        return jax.tree.leaves(params)

    def batch(self, seed: int) -> list[np.ndarray]:
        """A batch; images have a black background, so that ReLUs sit exactly at their corner where biases are zero."""
        rng = np.random.default_rng((seed, 1))
        x = rng.standard_normal(
            {"MLP": (EXAMPLES, 12), "recurrent": (EXAMPLES, 5, 6)}.get(self.name, (EXAMPLES, 8, 8, 2))
        )
        if self.name == "CNN":
            x[:, :3], x[:, :, 6:] = 0, 0
        if self.name == "transformer":
            x = rng.integers(0, 11, (EXAMPLES, 6))
        return [
            x.astype(np.int32 if x.dtype.kind == "i" else np.float32),
            rng.integers(0, CLASSES, EXAMPLES).astype(np.int32),
        ]

    def trained(self, seed: int, steps: int = 30) -> list[np.ndarray]:
        """Tensors after some steps."""
        tensors, batch = self.fresh(seed), self.batch(seed)
        for _ in range(steps):
            tensors = self.step(tensors, batch)
        return [np.asarray(each) for each in tensors]

    def fault(self, kind: str, seed: int) -> tuple[list[np.ndarray], int | None]:
        """The inputs that plant a fault, and the tensor that it is in, None where it is inside the network."""
        rng, sizes = np.random.default_rng((seed, 2)), [int(np.prod(each.shape)) for each in self.function.tensors]
        inside = kind in ("none", *KINDS[6:])
        square = [t for t, each in enumerate(self.function.tensors) if len(each.shape) == 2 and len({*each.shape}) == 1]
        tensor = int(rng.choice(square)) if kind.startswith("transposed") else int(rng.integers(len(sizes)))
        where = int(rng.integers(sizes[tensor]))
        control = [np.int32(KINDS.index(kind)), np.int32(-1 if inside else tensor), np.int32(where)]
        return control, None if inside else tensor


def make(name: str) -> Model:
    """Trace one of the networks."""
    loss, shapes = LAYERS[name]
    example = Model(name, None, None, shapes)  # pyright: ignore[reportArgumentType]
    tensors, batch = example.fresh(0), example.batch(0)
    names = [
        f"{layer}/{part}"
        for layer in sorted(shapes)
        for part in (("b", "w") if _has_bias(name, layer) else ("w",))
    ]  # fmt: skip
    tree = {layer: {"b": 0, "w": 0} if _has_bias(name, layer) else {"w": 0} for layer in shapes}
    structure = jax.tree.structure(tree)

    def parts(tensors: list[Any], rest: list[Any]) -> Any:
        x, y, kind, tensor, where = rest
        touched = [tampered(each, jnp.where(tensor == t, kind, 0), where) for t, each in enumerate(tensors)]
        return jnp.stack([loss(jax.tree.unflatten(structure, touched), {"x": x, "y": y}, kind)])

    def step(tensors: list[Any], batch: list[Any]) -> Any:
        grads = jax.grad(lambda each: parts(each, [*batch, 0, -1, 0])[0])(tensors)
        return [each - 0.3 * grad for each, grad in zip(tensors, grads, strict=True)]

    function = make_function(parts, tensors, [*batch, *[np.int32(0)] * 3], paths=names, names=("loss",))
    return Model(name, function, jax.jit(step), shapes)


def _has_bias(model: str, layer: str) -> bool:
    return not layer.endswith(("embed", "_out", "_up")) and not (model == "recurrent" and layer == "first")
