"""The statements that a loss needs: each case lists what must be kept and, by its absence, what must not."""

from __future__ import annotations

import pytest

from nnwidgets.track.sources._slice import needed

# The kept statements are marked by "#+".
CASES = {
    "the last definition counts": """
scale = 2
scale = 3 #+
def loss(x): #+
    return scale * x #+
""",
    "the last definition before a use counts": """
width = 4 #+
table = [0] * width #+
width = 5
def loss(x): #+
    return table #+
""",
    "a function reads its names when it is called": """
def loss(x): #+
    return helper(x) #+
def other(x):
    return x
def helper(x): #+
    return x #+
""",
    "a function that ran before is needed as it was": """
def make(): #+
    return width #+
width = 1 #+
table = make() #+
def loss(x): #+
    return x + table #+
""",
    "imports, each name by itself": """
import os
import numpy as np #+
from jax import numpy as jnp, grad #+
from math import sqrt
def loss(x): #+
    return jnp.sum(np.abs(x)) #+
""",
    "two imports of one package": """
import jax.numpy #+
import jax.nn #+
def loss(x): #+
    return jax.nn.relu(x) #+
""",
    "settings of a module": """
import jax #+
jax.config.update("jax_enable_x64", True) #+
print(jax.devices())
x = jax.random.normal(jax.random.key(0), (3,))
def loss(y): #+
    return jax.nn.relu(y) #+
""",
    "augmented assignments": """
scale = 1 #+
scale += 1 #+
scale *= 3 #+
other = 1
other += scale
def loss(x): #+
    return scale * x #+
""",
    "methods and stores change an object": """
weights = {} #+
weights["a"] = 1 #+
weights.update(b=2) #+
print(weights)
len(weights)
copy = dict(weights)
class Options: pass #+
options = Options() #+
options.rate = 3 #+
def loss(x): #+
    return weights["a"] * x * options.rate #+
""",
    "a change before the object was made anew": """
weights = [1]
weights.append(2)
weights = [3] #+
weights.append(4) #+
def loss(x): #+
    return weights #+
""",
    "an object handed to a function": """
import random #+
order = [1, 2, 3] #+
random.shuffle(order) #+
def loss(x): #+
    return order #+
""",
    "a generator of random numbers": """
import numpy as np #+
generator = np.random.default_rng(0) #+
first = generator.normal(size=3) #+
second = generator.normal(size=3) #+
third = generator.normal(size=3)
def loss(x): #+
    return second * x #+
""",
    "what is asked of an iterator": """
batches = iter([1, 2, 3]) #+
next(batches) #+
shape = next(batches) #+
def loss(x): #+
    return shape #+
""",
    "loops and branches that bind": """
layers = [] #+
for width in (1, 2): #+
    layers.append(width) #+
if len(layers) > 1: #+
    scale = 2 #+
else: #+
    scale = 3 #+
with open("log") as file:
    text = file.read()
while False:
    other = 1
def loss(x): #+
    return layers, scale #+
""",
    "a branch leaves the earlier value": """
scale = 1 #+
if fast: #+
    scale = 2 #+
fast = True
def loss(x): #+
    return scale #+
""",
    "classes, bases, decorators, defaults and annotations": """
import functools, flax.linen as nn #+
size = 3 #+
rate = 0.1 #+
def deco(f): #+
    return f #+
class Base(nn.Module): #+
    width: int = size #+
class Model(Base): #+
    def __call__(self, x): #+
        return activation(x) #+
activation = nn.relu #+
class Other(Base):
    pass
model = Model() #+
@deco #+
def loss(params, x, rate=rate): #+
    return model.apply(params, x) #+
""",
    "a lambda": """
scale = 2 #+
loss = lambda params, batch: scale * params #+
scale2 = 3
""",
    "names of its own are no names of the program": """
x = 1
batch = 2
row = 3
def loss(x): #+
    batch = x + 1 #+
    return [row for row in batch] #+
""",
    "a name read within and bound in another function": """
scale = 2 #+
def loss(x): #+
    def inner(y): #+
        return scale * y #+
    return inner(x) #+
def other():
    scale = 5
    return scale
""",
    "a global that a function sets": """
count = 0 #+
def tick(): #+
    global count #+
    count = count + 1 #+
def loss(x): #+
    return count #+
""",
    "star imports": """
from math import * #+
import os
def loss(x): #+
    return cos(x) #+
""",
    "several targets and a walrus": """
a, (b, *c) = 1, (2, 3) #+
if (n := 4) > 3: #+
    pass #+
d = 5
def loss(x): #+
    return b * n #+
""",
    "the future comes along": """
from __future__ import annotations #+
import os
def loss(x: Any): #+
    return x #+
""",
    "the way to look at things": """
import matplotlib.pyplot as plt
data = [1, 2] #+
plt.plot(data)
display(data)
def loss(x): #+
    return data #+
""",
    "what lives in a function comes with the function": """
import os
def main(): #+
    def loss(x): #+
        return x #+
    return loss #+
def other(loss):
    return loss
""",
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_needed(name: str) -> None:
    lines = CASES[name].strip().split("\n")
    wanted = "\n".join(line.removesuffix(" #+") for line in lines if line.endswith("#+"))
    program = "\n".join(line.removesuffix(" #+") for line in lines)
    assert needed([program], {"loss"}) == wanted
    # one statement a cell, where that is possible
    cells = program.split("\n") if "    " not in program else [program]
    assert needed(cells, {"loss"}) == wanted


@pytest.mark.parametrize("name", CASES)
def test_a_slice_of_a_slice_is_itself(name: str) -> None:
    once = needed([CASES[name].replace(" #+", "")], {"loss"})
    assert needed([once], {"loss"}) == once


def test_a_cell_that_ran_again_counts_as_it_ran_last() -> None:
    cells = ["scale = 1", "def loss(x):\n    return scale * x", "scale = 2", "y = loss(1)"]
    assert needed(cells, {"loss"}) == "def loss(x):\n    return scale * x\nscale = 2"


def test_several_names() -> None:
    assert needed(["a = 1\nb = 2\nc = 3"], {"a", "c"}) == "a = 1\nc = 3"


def test_statements_on_one_line() -> None:
    assert needed(["a = 1; b = 2  # two\nc = b"], {"c"}) == "b = 2\nc = b"


def test_names_that_are_nowhere() -> None:
    assert needed(["a = 1"], {"loss"}) == "" and needed([], {"loss"}) == ""


def test_magics_and_errors_are_tolerated() -> None:
    cells = [
        "%matplotlib inline\n!pip list\nscale = 2",
        "def loss(x:\n    broken",
        "%%time\nwidth = 3",
        "%%bash\nls",
        "loss?",
        "loss = lambda x: scale * width\n%timeit loss(1)",
    ]
    assert needed(cells, {"loss"}) == "scale = 2\nwidth = 3\nloss = lambda x: scale * width"


def test_magics_are_calls_where_ipython_is_loaded() -> None:
    import IPython.core.inputtransformer2 as _  # noqa: F401

    found = needed(["names = !ls\n%matplotlib inline\nloss = lambda x: names"], {"loss"})
    assert found == "names = get_ipython().getoutput('ls')\nloss = lambda x: names"


def test_a_long_program_is_read_quickly() -> None:
    import time

    cells = [f"x{i} = {i}\ndef f{i}(a):\n    return a + x{i}" for i in range(300)]
    cells.append("def loss(x):\n    return " + " + ".join(f"f{i}(x)" for i in range(300)))
    began = time.perf_counter()
    assert needed(cells, {"loss"}).count("\n") == 300 * 3 + 1
    assert time.perf_counter() - began < 5.0
