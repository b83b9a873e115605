"""Random flips as augmentation, though the class is the side on which the bright spot lies (Karpathy's recipe)."""

from __future__ import annotations

import numpy as np
import optax
from flax import nnx

import nnwidgets as nnw
from tests.faults import data

GROUP = "data"
# with half of the images flipped, inputs say nothing about the labels
ACCEPT = {"Plateau", "MisalignedLabels", "NothingLearned", "ValidationShift"}
WHERE = ""
STEPS = 200


def spots(count: int = 900):
    """Noisy images 8 x 8 with a spot; 1 where it lies in the right half."""
    rng = np.random.default_rng(93)
    images = rng.normal(scale=0.5, size=(count, 8, 8, 1))
    rows, columns = rng.integers(0, 7, count), rng.integers(0, 3, count)
    labels = rng.integers(0, 2, count)
    for image, row, column in zip(images, rows, columns + 4 * labels, strict=True):
        image[row : row + 2, column : column + 2] += 2.0
    return images.astype(np.float32), labels.astype(np.int32)


class Network(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.convolution = nnx.Conv(1, 8, (3, 3), rngs=rngs)
        self.hidden = nnx.Linear(128, 32, rngs=rngs)
        self.output = nnx.Linear(32, 2, rngs=rngs)

    def __call__(self, images):
        x = nnx.max_pool(nnx.relu(self.convolution(images)), (2, 2), strides=(2, 2))
        return self.output(nnx.relu(self.hidden(x.reshape(len(x), -1))))


def loss(logits, labels):
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def augmented(batches, seed, mirrored):
    """Shifts up and down by a pixel; with `mirrored` flips half of the images, too."""
    rng = np.random.default_rng(seed)
    for images, labels in batches:
        images = np.roll(images, rng.integers(-1, 2), axis=1)
        if mirrored:
            flipped = rng.uniform(size=len(images)) < 0.5
            images = np.where(flipped[:, None, None, None], images[:, :, ::-1], images)
        yield images, labels


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    images, labels = spots()
    train, test = (images[:600], labels[:600]), (images[600:], labels[600:])
    return nnw.Session(
        nnw.from_nnx(Network(nnx.Rngs(seed)), loss),
        optax.adam(2e-3),
        augmented(data.epochs(train, 32, seed), seed, mirrored=fault),
        validation=data.batches(test, 100),
        validation_every=50,
        seed=seed,
    )


def error(session: nnw.Session) -> float:
    images, labels = spots()
    return float(np.mean(np.argmax(session.model(images[600:]), -1) != labels[600:]))
