"""What the layers have learned: kernels of convolutions as small images, matrices as one."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnwidgets.lint._functions import plain
from nnwidgets.records import Picture
from nnwidgets.trace import Op, Value

from ._feature_maps import convolutions
from ._images import Array, colours, picture
from ._network import Network
from ._spots import Spot

_CASTS = frozenset({"convert_element_type", "reduce_precision", "copy"})


def filters(network: Network, leaves: list[Any], layer: str, unit: int | None = None) -> Picture:
    """The kernels of a convolution, one image an output channel.

    Three input channels are shown as colours, all filters on one scale; of more the strongest is shown (of the largest
    norm), and named in the title.

    Args:
        network: the network.
        leaves: what goes into its program.
        layer: name of a convolution's output; "" for the first.
        unit: one output channel, then with an image for each input channel; None for all.

    Raises:
        ValueError: the layer is no convolution, or has no such channel.
    """
    known = convolutions(network)
    layer = layer or next(iter(known), "")
    if layer not in known:
        network.layer(layer)
        raise ValueError(f"{layer} is no convolution: those are {', '.join(known) or 'none'}.")
    op, spot = known[layer], network.layers[layer]
    numbers = op.eqn.params["dimension_numbers"].rhs_spec
    # (output channels, input channels, positions ...)
    kernel = np.transpose(_tensor(network, leaves, op.inputs[1], spot), numbers).astype(np.float32)
    shape = kernel.shape
    if kernel.ndim == 3:
        # along one axis: input channels by positions
        return picture(kernel, "filters", "structure", layer, shape=shape, signed=True, each="filters", square=False)
    while kernel.ndim > 4:
        kernel = kernel[:, :, kernel.shape[2] // 2]
    if unit is not None:
        if not 0 <= unit < len(kernel):
            raise ValueError(f"{layer} has no channel {unit}: they are numbered from 0 to {len(kernel) - 1}.")
        titles = [f"{unit} from {channel}" for channel in range(kernel.shape[1])]
        return picture(kernel[unit], "filters", "structure", layer, titles=titles, shape=shape, signed=True)
    titles = [str(channel) for channel in range(len(kernel))]
    if kernel.shape[1] == 3:
        images = colours(np.moveaxis(kernel, 1, -1))
        return picture(
            images, "filters", "structure", layer, titles=titles, shape=shape, each="filters", words="in colour"
        )
    strongest = np.square(kernel).sum((2, 3)).argmax(1)
    words = ""
    if kernel.shape[1] > 1:
        words = f"of each the strongest of {kernel.shape[1]} input channels"
        titles = [f"{channel} from {given}" for channel, given in enumerate(strongest)]
    images = kernel[np.arange(len(kernel)), strongest]
    return picture(
        images, "filters", "structure", layer, titles=titles, shape=shape, signed=True, each="filters", words=words
    )


def weights(network: Network, leaves: list[Any], layer: str) -> Picture:
    """The largest tensor of a layer as one image, (in, out); of a convolution (positions and channels in, channels out).

    Args:
        network: the network.
        leaves: what goes into its program.
        layer: name of a layer's output; "" for the first.
    """
    layer = layer or next(iter(network.layers), "")
    spot = network.layer(layer)
    assert spot.call is not None
    ops = [network.traced.program.ops[i] for i in spot.call.consumed]
    used = [(op, value) for op in ops for value in op.inputs if value.origins and not value.data]
    op, value = max(used, key=lambda pair: pair[1].aval.size)
    tensor = _tensor(network, leaves, value, spot)
    paths = [network.objective.paths[i] for i in sorted(value.origins)]
    matrix = _matrix(op, value, tensor)
    return picture(
        matrix[None],
        "weights",
        "structure",
        layer,
        titles=[", ".join(paths)],
        shape=tensor.shape,
        signed=True,
        words=f"{matrix.shape[0]} in, {matrix.shape[1]} out" if len(matrix) > 1 else "",
        square=False,
    )


def _matrix(op: Op, value: Value, tensor: Array) -> Array:
    """A tensor as (in, out)."""
    if op.primitive == "dot_general":
        (left, right), _ = op.eqn.params["dimension_numbers"]
        summed = left if op.inputs[0] is value else right
        rest = [axis for axis in range(tensor.ndim) if axis not in summed]
        given = int(np.prod([tensor.shape[axis] for axis in summed]))
        return np.transpose(tensor, [*summed, *rest]).reshape(given, -1)
    if op.primitive == "conv_general_dilated" and op.inputs[1] is value:
        numbers = op.eqn.params["dimension_numbers"].rhs_spec
        return np.transpose(tensor, [*numbers[2:], numbers[1], numbers[0]]).reshape(-1, tensor.shape[numbers[0]])
    tensor = tensor.reshape([size for size in tensor.shape if size > 1] or [1])
    return tensor.reshape(1, -1) if tensor.ndim < 2 else tensor.reshape(-1, tensor.shape[-1])


def _tensor(network: Network, leaves: list[Any], value: Value, spot: Spot) -> Array:
    """The numbers of a value that is made of parameters; in a scan over layers those of the spot's own layer."""
    wanted = len(value.aval.shape)
    found = network.raw(leaves, plain(network.traced.program, value, _CASTS))
    return found[spot.iteration or 0] if found.ndim > wanted else found
