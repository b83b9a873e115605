"""Pictures of what a network does with one example."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import jax
import numpy as np

from nnwidgets.objective import Objective
from nnwidgets.records import Example, Look, NetworkGraph, Picture

from . import _attention, _feature_maps, _grad_cam, _graph, _maximise, _occlusion, _saliency, _weights
from ._data import Data, form_of
from ._examples import find_examples, ordered
from ._images import picture
from ._look import look
from ._network import Network
from ._score import Case, case_of, outputs_of

VIEWS = (
    "activations",
    "feature maps",
    "filters",
    "weights",
    "saliency",
    "occlusion",
    "Grad-CAM",
    "maximised unit",
    "attention",
)


class Inside:
    """Pictures of a network for one example at a time, read off the traced loss: any layer of any framework, in evaluation.

    Layers go by the names of their outputs in `Trace.watched`. Nothing is larger than 64 images of 96x96 pixels (a picture
    of one row: 1,024); what was left out or averaged is in `Picture.words`. NaN stay NaN. Each kind of picture is compiled
    once for a shape of batch, whatever the parameters.

    Args:
        objective: the loss.
        batches: the first few batches; examples are their rows, numbered through.
        params: the parameters; the objective's if None.
        state: likewise.
        key: of the run.

    Raises:
        ValueError: there is no batch.

    Example:
        >>> import jax.numpy as jnp
        >>> def loss_fn(params, batch):
        ...     inputs, targets = batch
        ...     logits = jnp.tanh(inputs @ params["first"]["w"]) @ params["last"]["w"]
        ...     chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), targets[:, None], 1)
        ...     return -chosen.mean(), {"outputs": logits, "targets": targets}
        >>> params = {"first": {"w": jnp.eye(3)}, "last": {"w": jnp.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])}}
        >>> inside = Inside(Objective(loss_fn, params), [(jnp.array([[1.0, 0.0, 5.0]]), jnp.array([1]))])
        >>> inside.layers
        ('first', 'last')
        >>> example = inside.examples()[0]
        >>> example.target, example.prediction, example.right
        ('1', '0', False)
        >>> inside.saliency(0).images.shape
        (1, 1, 3)
        >>> [inside.graph().nodes[a].name + " > " + inside.graph().nodes[b].name for a, b in inside.graph().edges]
        ['input > first', 'first > last', 'last > loss']
    """

    def __init__(
        self,
        objective: Objective,
        batches: Sequence[Any],
        *,
        params: Any = None,
        state: Any = None,
        key: jax.Array | None = None,
    ) -> None:
        self._objective = objective
        self._params = objective.params if params is None else params
        self._state = objective.state if state is None else state
        self._key = jax.random.key(0) if key is None else key
        self._networks: dict[Any, Network] = {}
        self._data = Data(batches, self._network_for)

    def at(self, params: Any, state: Any, batches: Sequence[Any] | None = None) -> Inside:
        """The same network at other parameters, on other batches if some are given; compiled programs are shared."""
        other = Inside(self._objective, self._data.batches if batches is None else batches, key=self._key)
        other._params, other._state, other._networks = params, state, self._networks
        return other

    def _network_for(self, batch: Any) -> Network:
        form = form_of(batch)
        if form not in self._networks:
            self._networks[form] = Network(self._objective, batch, self._key)
        return self._networks[form]

    @cached_property
    def _network(self) -> Network:
        return self._network_for(self._data.batches[0])

    def _case(self, i: int, output: int | None = None) -> Case:
        return case_of(self._data, self._params, self._state, i, output)

    @property
    def _leaves(self) -> list[Any]:
        return self._network.leaves(self._params, self._state, self._network.batch)

    @property
    def count(self) -> int:
        """How many examples there are."""
        return len(self._data)

    @cached_property
    def views(self) -> tuple[str, ...]:
        """What can be seen of this network: pictures of convolutions or attention only where there are such."""
        network = self._network
        convolutions = bool(_feature_maps.convolutions(network))
        answers = outputs_of(network) is not None
        there = {
            "activations": bool(network.spots),
            "feature maps": convolutions,
            "filters": convolutions,
            "weights": bool(network.layers),
            "saliency": answers and _saliency.has_gradient(network),
            "occlusion": answers,
            "Grad-CAM": answers and bool(self.layers_of("Grad-CAM")),
            "maximised unit": bool(self.layers_of("maximised unit")),
            "attention": bool(_attention.attentions(network)),
        }
        return tuple(view for view, is_there in there.items() if is_there)

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers' outputs that can be opened, in the order in which they are called."""
        return tuple(self._network.layers)

    def layers_of(self, view: str) -> tuple[str, ...]:
        """Those of them that can be chosen in a view; none where it is of no layer."""
        convolutions = _feature_maps.convolutions(self._network)
        if view in ("feature maps", "filters"):
            return tuple(convolutions)
        if view == "Grad-CAM":
            return tuple(name for name in convolutions if not self._network.layers[name].in_loop)
        if view == "maximised unit":
            return self.layers if _maximise.can_climb(self._network) else ()
        return self.layers if view in ("activations", "weights") else ()

    def units(self, layer: str) -> int:
        """How many units (neurons, channels, features) the output of a layer has."""
        return self._network.layer(layer).many

    @property
    def outputs(self) -> int:
        """How many outputs (classes) the network has; 0 where they are not known."""
        found = outputs_of(self._network)
        return found.logits.many if found is not None else 0

    def opened(self, layer: str = "") -> tuple[str, ...]:
        """Names of the values that `activations` has for a layer, or for all."""
        return tuple(spot.name for spot in _feature_maps.opened(self._network, layer))

    def graph(self) -> NetworkGraph:
        """The layers and what flows into what; see `NetworkGraph`."""
        return _graph.graph_of(self._network)

    @cached_property
    def _examples(self) -> tuple[Example, ...]:
        return find_examples(self._data, self._params, self._state)

    def examples(self, order: str = "wrong first") -> tuple[Example, ...]:
        """All examples with target, prediction and loss, in an order.

        Args:
            order: "in order", "wrong first", "most confident wrong first" or "largest loss first".
        """
        return ordered(self._examples, order)

    def input(self, i: int) -> Picture:
        """An example as it goes in: three channels in colour, one in grey, more side by side; a vector as a row."""
        case = self._case(i)
        images = case.layout.images(case.example)
        return picture(images, "input", "activation", shape=case.example.shape, words=case.layout.kind)

    def activations(self, i: int, layer: str = "") -> tuple[Picture, ...]:
        """What each layer and each nonlinearity gives for an example, in order; of a named layer larger."""
        return _feature_maps.activations(self._case(i), layer)

    def feature_maps(self, i: int, layer: str = "", unit: int | None = None) -> tuple[Picture, ...]:
        """Each channel of a convolution as an image, after its nonlinearity; of every convolution if none is named."""
        return _feature_maps.feature_maps(self._case(i), layer, unit)

    def filters(self, layer: str = "", unit: int | None = None) -> Picture:
        """The kernels of a convolution as small images, one an output channel; of one unit one an input channel."""
        return _weights.filters(self._network, self._leaves, layer, unit)

    def weights(self, layer: str = "") -> Picture:
        """The largest tensor of a layer as one image, (in, out)."""
        return _weights.weights(self._network, self._leaves, layer)

    def saliency(self, i: int, output: int | None = None) -> Picture:
        """``|d score / d input|``: the score is the logit of the predicted class, or the output that is named.

        References:
            K. Simonyan, A. Vedaldi, A. Zisserman, arXiv:1312.6034.
        """
        return _saliency.saliency(self._case(i, output))

    def grad_cam(self, i: int, layer: str = "", output: int | None = None) -> Picture:
        """``ReLU(sum_k mean_xy(d score / d A_k) A_k)`` of a convolution, the last if none is named, enlarged to the input.

        References:
            R. R. Selvaraju et al., arXiv:1610.02391.
        """
        return _grad_cam.grad_cam(self._case(i, output), layer)

    def occlusion(self, i: int, patch: int | None = None, output: int | None = None) -> Picture:
        """How far the score falls when a patch, a position or a feature is covered by the mean of the data.

        References:
            M. D. Zeiler, R. Fergus, arXiv:1311.2901.
        """
        return _occlusion.occlusion(self._case(i, output), self._data, patch)

    def maximise(self, layer: str, unit: int, steps: int = 64, seed: int = 0) -> Picture:
        """The input that a unit answers to most, found by gradient ascent from small noise.

        References:
            D. Erhan, Y. Bengio, A. Courville, P. Vincent, University of Montreal, technical report 1341, 2009.
        """
        case = self._case(0)
        return _maximise.maximise(case, layer, unit, steps, seed, self._scale(case))

    def _scale(self, case: Case) -> float:
        """Root mean square of the inputs."""
        values = self._data.field(case.field - case.network.first_field)
        found = float(np.sqrt(np.mean([np.nanmean(np.square(np.asarray(each, np.float64))) for each in values])))
        return found if np.isfinite(found) and found > 0 else 1.0

    def attention(self, i: int) -> tuple[Picture, ...]:
        """The weights of each attention: an image a head, a row a query, a column a key."""
        return _attention.attention(self._case(i))

    def look(
        self,
        view: str = "activations",
        *,
        order: str = "wrong first",
        position: int = 0,
        layer: str = "",
        unit: int | None = None,
    ) -> Look:
        """The pictures of a view, that of the input first; what can't be shown is said in `Look.words`.

        Args:
            view: one of `views`.
            order: of the examples.
            position: in that order; the nearest there is.
            layer: one of the layers of this view; "" for all, or for the view's own choice.
            unit: a unit or channel; for saliency, occlusion and Grad-CAM the class. None for all, or the predicted class.
        """
        return look(self, view, order, position, layer, unit)
