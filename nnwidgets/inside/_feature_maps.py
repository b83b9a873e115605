"""What layers make of one example: activations as they are, channels of convolutions as images."""

from __future__ import annotations

from nnwidgets.lint._once import once
from nnwidgets.records import Picture
from nnwidgets.trace import Op

from ._images import FULL, SKETCH, Array, maps, picture
from ._network import Network
from ._score import Case, input_field, layout_of
from ._spots import Spot

# Functions that give no negative numbers.
_POSITIVE = ("relu", "relu6", "sigmoid", "softplus", "squareplus", "hard_sigmoid")


def activations(case: Case, layer: str = "") -> tuple[Picture, ...]:
    """The outputs of the layers and of the nonlinearities that follow them, for one example.

    Args:
        case: which example.
        layer: the name of one, then larger; "" for all, sketched; of more than 64 some.
    """
    spots = opened(case.network, layer) if layer else case.network.some
    values = case.values(spots)
    return tuple(
        picture(
            maps(value, spatial=spot.value in spatial_values(case.network)),
            "activations",
            "activation",
            spot.name,
            shape=value.shape,
            signed=spot.function not in _POSITIVE,
            words=f"after {spot.function}" if spot.function else "",
            square=spot.value in spatial_values(case.network),
            bound=FULL if layer else SKETCH,
        )
        for spot, value in zip(spots, values, strict=True)
    )


def opened(network: Network, layer: str = "") -> list[Spot]:
    """The output of a layer and those of its nonlinearities; all if none is named."""
    if not layer:
        return list(network.spots)
    mine = network.layer(layer)
    return [spot for spot in network.spots if _belongs(spot, mine)]


def feature_maps(case: Case, layer: str = "", unit: int | None = None) -> tuple[Picture, ...]:
    """The channels of the convolutions' outputs as images, after the nonlinearity where one follows at once.

    Args:
        case: which example.
        layer: the name of one convolution; "" for all.
        unit: a channel; None for all.

    Raises:
        ValueError: the layer is no convolution, or has no such channel.
    """
    chosen = stages(case.network, layer)
    values = case.values(list(chosen.values()))
    return tuple(_channels(name, spot, value, unit) for (name, spot), value in zip(chosen.items(), values, strict=True))


def _channels(name: str, spot: Spot, value: Array, unit: int | None) -> Picture:
    channels = list(range(value.shape[-1]))
    if unit is not None:
        if unit not in channels:
            raise ValueError(f"{name} has no channel {unit}: they are numbered from 0 to {len(channels) - 1}.")
        channels = [unit]
    # along one axis: each channel a row
    images = maps(value[..., channels], spatial=True) if value.ndim > 2 else value.T[channels][:, None]
    return picture(
        images,
        "activations",
        "activation",
        name,
        titles=[str(channel) for channel in channels],
        shape=value.shape,
        signed=spot.function not in _POSITIVE,
        words=f"after {spot.function}" if spot.function else "",
    )


def stages(network: Network, layer: str = "") -> dict[str, Spot]:
    """For each convolution, by name, the last value before other layers come: after its nonlinearity, if it has one.

    Raises:
        ValueError: the layer of this name is no convolution.
    """
    found: dict[str, Spot] = {}
    for name in convolutions(network):
        mine = network.layers[name]
        after = [spot for spot in network.spots if spot.function and _at_once(spot, mine)]
        found[name] = after[0] if after else mine
    if layer and layer not in found:
        network.layer(layer)
        raise ValueError(f"{layer} is no convolution: those are {', '.join(found) or 'none'}.")
    return {layer: found[layer]} if layer else found


@once
def convolutions(network: Network) -> dict[str, Op]:
    """The convolution of each layer that has one, by the name of its output."""
    ops = network.traced.program.ops
    found = {}
    for name, spot in network.layers.items():
        assert spot.call is not None
        mine = [ops[i] for i in spot.call.consumed if ops[i].primitive == "conv_general_dilated"]
        if mine:
            found[name] = mine[0]
    return found


@once
def spatial_values(network: Network) -> frozenset:
    """Values whose positions are those of an image: made by convolutions, or of an image, and by what keeps positions."""
    field = input_field(network)
    image = field is not None and layout_of(network).kind == "image"
    spatial = {network.traced.fields[field]} if image and field is not None else set()
    for op in network.traced.program.ops:
        if op.primitive == "conv_general_dilated" or (_keeps(op) and any(v in spatial for v in op.inputs)):
            spatial.update(op.outputs)
    return frozenset(spatial)


def _keeps(op: Op) -> bool:
    if op.primitive in ("reshape", "squeeze", "broadcast_in_dim"):
        long = [[size for size in value.aval.shape if size > 1] for value in (op.inputs[0], op.outputs[0])]
        return long[0] == long[1]
    if op.primitive == "dot_general":
        given = [value for value in op.inputs if value.data]
        return len(given) == 1 and len(given[0].aval.shape) == len(op.outputs[0].aval.shape)
    return not (op.is_loop or op.primitive.startswith(("reduce_sum", "reduce_max", "reduce_min", "arg", "gather")))


def _belongs(spot: Spot, layer: Spot) -> bool:
    """Whether it is this layer's output, or that of a nonlinearity of it, in the same call."""
    return spot is layer or (bool(spot.function) and spot.layer == layer.layer and _again(spot) == _again(layer))


def _at_once(spot: Spot, layer: Spot) -> bool:
    """Whether a nonlinearity is applied to this layer's output, or is the layer's last operation."""
    here = layer.value.place
    return spot.iteration == layer.iteration and here in (spot.follows, spot.value.place)


def _again(spot: Spot) -> str:
    name, _, number = spot.name.rpartition(" (")
    return number if name else ""
