"""Sequences: recurrent networks, attention, language models, labels of tokens, tables of embeddings."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import flax.linen as linen
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

import nnwidgets as nnw
from tests.faults import data

from ._networks import Array, cross_entropy

VOCABULARY = 20


class Attention(linen.Module):
    """One block with the norms before its layers."""

    width: int = 32
    dropout: float = 0.0

    @linen.compact
    def __call__(self, x: jax.Array, mask: Any = None, train: bool = False) -> jax.Array:
        y = linen.LayerNorm()(x)
        y = linen.MultiHeadDotProductAttention(4)(y, y, mask=mask)
        x = x + linen.Dropout(self.dropout, deterministic=not train)(y)
        y = linen.Dense(self.width)(linen.gelu(linen.Dense(2 * self.width)(linen.LayerNorm()(x))))
        return x + linen.Dropout(self.dropout, deterministic=not train)(y)


class Transformer(linen.Module):
    """Tokens to scores, with places that are learned: one row a sentence, or one a token if `causal` or `each`."""

    outputs: int
    causal: bool = False
    each: bool = False
    blocks: int = 2
    dropout: float = 0.0
    tied: bool = False

    @linen.compact
    def __call__(self, tokens: jax.Array, train: bool = False) -> jax.Array:
        table = linen.Embed(VOCABULARY + 1, 32, embedding_init=linen.initializers.normal(0.1), name="table")
        x = table(tokens) + self.param("place", linen.initializers.normal(0.02), (tokens.shape[1], 32))
        mask = linen.make_causal_mask(tokens) if self.causal else None
        for _ in range(self.blocks):
            x = Attention(dropout=self.dropout)(x, mask, train)
        x = linen.LayerNorm()(x)
        if self.tied:
            return table.attend(x)
        return linen.Dense(self.outputs, name="head")(x if self.causal or self.each else x.mean(1))


class Recurrent(linen.Module):
    """A cell that is scanned over the sentence; its last state is read."""

    cell: str

    @linen.compact
    def __call__(self, tokens: jax.Array) -> jax.Array:
        x = linen.Embed(VOCABULARY, 24)(tokens)
        cell = {"lstm": linen.LSTMCell, "gru": linen.GRUCell, "simple": linen.SimpleCell}[self.cell](32)
        states: Any = linen.RNN(cell, name="scan")(x)
        return linen.Dense(3, name="head")(states[:, -1])


class Bag(linen.Module):
    """The mean of the words' vectors."""

    @linen.compact
    def __call__(self, tokens: jax.Array) -> jax.Array:
        return linen.Dense(3)(linen.relu(linen.Dense(32)(linen.Embed(VOCABULARY, 16)(tokens).mean(1))))


class Windows(linen.Module):
    """Convolutions over the sentence, the largest answer of each."""

    @linen.compact
    def __call__(self, tokens: jax.Array) -> jax.Array:
        x = linen.relu(linen.Conv(48, (3,))(linen.Embed(VOCABULARY, 16)(tokens)))
        return linen.Dense(3)(x.max(1))


def read(seed: int, model: Any, *, tx: optax.GradientTransformation | None = None, size: int = 50) -> nnw.Session:
    """A Linen model that says which marker stands in a sentence."""
    train, test = data.sentences(seed, VOCABULARY, count=1500)
    variables = model.init(jax.random.key(seed), train[0][:1])
    return nnw.Session(
        nnw.from_linen(model, variables, cross_entropy),
        optax.adam(5e-3) if tx is None else tx,
        data.batches(train, size, seed),
        validation=data.batches(test, 100),
        seed=seed,
    )


def chains(seed: int, count: int = 1200, length: int = 12) -> Array:
    """Sentences in which each token mostly follows from the one before."""
    rng = np.random.default_rng(seed)
    follows = np.random.default_rng(17).dirichlet(np.full(VOCABULARY, 0.1), VOCABULARY)
    tokens = np.zeros((count, length), np.int32)
    tokens[:, 0] = rng.integers(0, VOCABULARY, count)
    for place in range(1, length):
        chance = follows[tokens[:, place - 1]].cumsum(1)
        tokens[:, place] = np.minimum((rng.uniform(size=(count, 1)) > chance).sum(1), VOCABULARY - 1)
    return tokens


def next_token(seed: int, **options: Any) -> nnw.Session:
    """A language model; the targets are the tokens, moved by one."""
    tokens, more = chains(seed), chains(seed + 1000, 200)
    model = Transformer(VOCABULARY + 1 if options.get("tied") else VOCABULARY, causal=True, **options)
    variables = model.init(jax.random.key(seed), tokens[:1, :-1])
    return nnw.Session(
        nnw.from_linen(model, variables, cross_entropy),
        optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(optax.warmup_constant_schedule(0, 5e-3, 20))),
        data.batches((tokens[:, :-1], tokens[:, 1:]), 40, seed),
        validation=[(more[:, :-1], more[:, 1:])],
        seed=seed,
    )


def masked_tokens(seed: int) -> nnw.Session:
    """A quarter of the tokens is hidden behind a token of its own, and the loss counts those alone."""
    model = Transformer(VOCABULARY, each=True)
    tokens = chains(seed)
    params = model.init(jax.random.key(seed), tokens[:1])["params"]

    def loss_fn(params: Any, batch: Any) -> Any:
        shown, wanted, hidden = batch
        logits = model.apply({"params": params}, shown)
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, wanted)
        return jnp.sum(losses * hidden) / jnp.maximum(jnp.sum(hidden), 1.0), {"outputs": logits, "targets": wanted}

    def batch(step: int) -> Any:
        rng = np.random.default_rng((seed, step))
        wanted = tokens[rng.integers(0, len(tokens), 50)]
        hidden = rng.uniform(size=wanted.shape) < 0.25
        return np.where(hidden, VOCABULARY, wanted).astype(np.int32), wanted, hidden.astype(np.float32)

    return nnw.Session(nnw.Objective(loss_fn, params), optax.adam(5e-3), batch, seed=seed)


def label_tokens(seed: int) -> nnw.Session:
    """A label for each token, which hangs on the one before; sentences end early, and the padding is masked out."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(5, 13, 1200)
    there = np.arange(12) < lengths[:, None]
    tokens = np.where(there, rng.integers(1, VOCABULARY, (1200, 12)), 0).astype(np.int32)
    before = np.concatenate([np.zeros((1200, 1), np.int32), tokens[:, :-1]], 1)
    labels = np.where(there, (tokens % 2) + 2 * (before % 2), 0).astype(np.int32)

    class Tagger(linen.Module):
        @linen.compact
        def __call__(self, tokens: jax.Array, there: jax.Array) -> jax.Array:
            x = linen.Embed(VOCABULARY, 24)(tokens)
            lengths = there.sum(1)
            forth = linen.RNN(linen.GRUCell(24), name="forth")(x, seq_lengths=lengths)
            back = linen.RNN(linen.GRUCell(24), reverse=True, keep_order=True, name="back")(x, seq_lengths=lengths)
            return linen.Dense(4)(jnp.concatenate([forth, back], -1))

    model = Tagger()
    params = model.init(jax.random.key(seed), tokens[:1], there[:1])["params"]

    def loss_fn(params: Any, batch: Any) -> Any:
        logits = model.apply({"params": params}, batch["tokens"], batch["there"])
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, batch["labels"])
        aux = {"outputs": logits, "targets": batch["labels"]}
        return jnp.sum(losses * batch["there"]) / jnp.sum(batch["there"]), aux

    rows = data.batches((tokens, labels, there), 50, seed)
    batches = [dict(zip(("tokens", "labels", "there"), each, strict=True)) for each in rows]
    return nnw.Session(nnw.Objective(loss_fn, params), optax.adam(1e-2), batches, seed=seed)


def by_scan(seed: int) -> nnw.Session:
    """A gated unit written by hand, scanned over real-valued series, with clipping; the answer is the series' frequency."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, 1500).astype(np.int32)
    pace = np.array([0.4, 0.9, 1.6])[labels][:, None]
    series = np.sin(pace * np.arange(20) + rng.uniform(0, 6, (1500, 1))) + 0.2 * rng.normal(size=(1500, 20))
    keys = jax.random.split(jax.random.key(seed), 3)
    params = {
        "gate": {"w": jax.random.normal(keys[0], (25, 24)) / 5, "b": jnp.ones(24)},
        "new": {"w": jax.random.normal(keys[1], (25, 24)) / 5, "b": jnp.zeros(24)},
        "out": {"w": jax.random.normal(keys[2], (24, 3)) / 5, "b": jnp.zeros(3)},
    }

    def loss_fn(params: Any, batch: Any) -> Any:
        series, labels = batch

        def cell(state: jax.Array, x: jax.Array) -> tuple[jax.Array, None]:
            both = jnp.concatenate([state, x[:, None]], 1)
            kept = jax.nn.sigmoid(both @ params["gate"]["w"] + params["gate"]["b"])
            new = jnp.tanh(both @ params["new"]["w"] + params["new"]["b"])
            return kept * state + (1 - kept) * new, None

        state, _ = jax.lax.scan(cell, jnp.zeros((len(series), 24)), series.T)
        logits = state @ params["out"]["w"] + params["out"]["b"]
        return cross_entropy(logits, labels), {"outputs": logits, "targets": labels}

    batches = data.batches((series.astype(np.float32), labels), 50, seed)
    tx = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(1e-2))
    return nnw.Session(nnw.Objective(loss_fn, params), tx, batches, seed=seed)


def in_nnx(seed: int) -> nnw.Session:
    class Reader(nnx.Module):
        def __init__(self, rngs: nnx.Rngs) -> None:
            self.table = nnx.Embed(VOCABULARY, 24, rngs=rngs)
            self.scan = nnx.RNN(nnx.OptimizedLSTMCell(24, 32, rngs=rngs))
            self.head = nnx.Linear(32, 3, rngs=rngs)

        def __call__(self, tokens: jax.Array) -> jax.Array:
            return self.head(self.scan(self.table(tokens)).max(1))

    train, test = data.sentences(seed, VOCABULARY, count=1500)
    objective = nnw.from_nnx(Reader(nnx.Rngs(seed)), cross_entropy)
    batches = data.batches(train, 50, seed)
    return nnw.Session(objective, optax.adam(1e-2), batches, validation=data.batches(test, 100), seed=seed)


def in_equinox(seed: int) -> nnw.Session:
    import equinox as eqx

    class Reader(eqx.Module):
        table: eqx.nn.Embedding
        cell: eqx.nn.GRUCell
        head: eqx.nn.Linear

        def __init__(self, key: jax.Array) -> None:
            one, two, three = jax.random.split(key, 3)
            self.table = eqx.nn.Embedding(VOCABULARY, 24, key=one)
            self.cell = eqx.nn.GRUCell(24, 32, key=two)
            self.head = eqx.nn.Linear(32, 3, key=three)

        def __call__(self, tokens: jax.Array) -> jax.Array:
            words = jax.vmap(self.table)(tokens)
            state, _ = jax.lax.scan(lambda h, x: (self.cell(x, h), None), jnp.zeros(32), words)
            return self.head(state)

    train, test = data.sentences(seed, VOCABULARY, count=1500)
    objective = nnw.from_equinox(Reader(jax.random.key(seed)), cross_entropy)
    batches = data.batches(train, 50, seed)
    return nnw.Session(objective, optax.adam(1e-2), batches, validation=data.batches(test, 100), seed=seed)


def in_keras(seed: int, cell: str) -> nnw.Session:
    import keras

    def loss(logits: Any, labels: Any) -> Any:
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)(labels, logits)

    keras.utils.set_random_seed(seed)
    layers = keras.layers
    scan = {"lstm": layers.LSTM, "gru": layers.GRU}[cell](32)
    model = keras.Sequential(
        [layers.Input((8,), dtype="int32"), layers.Embedding(VOCABULARY, 24), scan, layers.Dense(3)]
    )
    train, test = data.sentences(seed, VOCABULARY, count=1500)
    objective = nnw.from_keras(model, loss)
    batches = data.batches(train, 50, seed)
    return nnw.Session(objective, optax.adam(1e-2), batches, validation=data.batches(test, 100), seed=seed)


def spoken(seed: int) -> nnw.Session:
    """Connectionist temporal classification: which three signs are in a series of frames, in which order."""
    rng = np.random.default_rng(seed)
    signs = rng.integers(1, 5, (800, 3)).astype(np.int32)
    shapes = np.random.default_rng(8).normal(size=(5, 8))
    frames = np.repeat(shapes[signs], 3, axis=1) + 0.3 * rng.normal(size=(800, 9, 8))

    class Frames(linen.Module):
        @linen.compact
        def __call__(self, x: jax.Array) -> jax.Array:
            return linen.Dense(5)(linen.relu(linen.Conv(32, (3,))(x)))

    def loss(logits: Any, signs: Any) -> Any:
        return optax.ctc_loss(logits, jnp.zeros(logits.shape[:2]), signs, jnp.zeros(signs.shape)).mean()

    frames, model = frames.astype(np.float32), Frames()
    objective = nnw.from_linen(model, model.init(jax.random.key(seed), frames[:1]), loss)
    return nnw.Session(objective, optax.adam(5e-3), data.batches((frames, signs), 40, seed), seed=seed)


def tastes(seed: int) -> nnw.Session:
    """Ratings of things by people: tables of vectors and of biases, and little weight decay."""
    rng = np.random.default_rng(seed)
    people, things = rng.normal(size=(60, 3)), rng.normal(size=(40, 3))
    pairs = np.stack([rng.integers(0, 60, 4000), rng.integers(0, 40, 4000)], 1).astype(np.int32)
    ratings = (people[pairs[:, 0]] * things[pairs[:, 1]]).sum(1) / 1.7 + 0.2 * rng.normal(size=4000)
    one, two = jax.random.split(jax.random.key(seed))
    params = {
        "people": 0.3 * jax.random.normal(one, (60, 6)),
        "things": 0.3 * jax.random.normal(two, (40, 6)),
        "bias": jnp.zeros(40),
    }

    def loss_fn(params: Any, batch: Any) -> Any:
        pairs, ratings = batch
        guess = jnp.sum(params["people"][pairs[:, 0]] * params["things"][pairs[:, 1]], 1) + params["bias"][pairs[:, 1]]
        return jnp.mean((guess - ratings) ** 2), {"outputs": guess, "targets": ratings}

    batches = data.batches((pairs, ratings.astype(np.float32)), 200, seed)
    return nnw.Session(nnw.Objective(loss_fn, params), optax.adamw(2e-2, weight_decay=1e-3), batches, seed=seed)


def word_vectors(seed: int) -> nnw.Session:
    """Skip-gram with words drawn at random as counterexamples."""
    tokens = chains(seed)
    pairs = np.stack([tokens[:, :-1].ravel(), tokens[:, 1:].ravel()], 1)
    one, two = jax.random.split(jax.random.key(seed))
    params = {
        "word": 0.3 * jax.random.normal(one, (VOCABULARY, 16)),
        "context": 0.3 * jax.random.normal(two, (VOCABULARY, 16)),
    }

    def loss_fn(params: Any, batch: Any) -> Any:
        words, contexts, others = batch["words"], batch["contexts"], batch["others"]
        word = params["word"][words]
        near = jnp.sum(word * params["context"][contexts], -1)
        far = jnp.einsum("bd,bkd->bk", word, params["context"][others])
        return jnp.mean(jax.nn.softplus(-near) + jax.nn.softplus(far).sum(-1))

    def batch(step: int) -> Any:
        rng = np.random.default_rng((seed, step))
        rows = pairs[rng.integers(0, len(pairs), 256)]
        others = rng.integers(0, VOCABULARY, (256, 4)).astype(np.int32)
        return {"words": rows[:, 0], "contexts": rows[:, 1], "others": others}

    return nnw.Session(nnw.Objective(loss_fn, params), optax.adam(2e-2), batch, seed=seed)


def graph(seed: int) -> nnw.Session:
    """A graph network: two kinds of knots, more joined among themselves; the labels of a third are known at a time."""
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, 2, 120)
    joined = rng.uniform(size=(120, 120)) < np.where(kinds[:, None] == kinds, 0.15, 0.03)
    joined = np.triu(joined, 1) | np.triu(joined, 1).T | np.eye(120, dtype=bool)
    share = (joined / joined.sum(1, keepdims=True)).astype(np.float32)
    features = (rng.normal(size=(120, 8)) + 0.5 * (2 * kinds[:, None] - 1)).astype(np.float32)
    keys = jax.random.split(jax.random.key(seed))
    params = {"one": jax.random.normal(keys[0], (8, 16)) * 0.5, "two": jax.random.normal(keys[1], (16, 2)) * 0.3}

    def loss_fn(params: Any, batch: Any) -> Any:
        hidden = jax.nn.relu(share @ features @ params["one"])
        logits = (share @ hidden @ params["two"])[batch["knots"]]
        return cross_entropy(logits, batch["kinds"]), {"outputs": logits, "targets": batch["kinds"]}

    def batch(step: int) -> Any:
        knots = np.random.default_rng((seed, step)).choice(120, 40, replace=False).astype(np.int32)
        return {"knots": knots, "kinds": kinds[knots].astype(np.int32)}

    return nnw.Session(nnw.Objective(loss_fn, params), optax.adam(2e-2), batch, seed=seed)


def forecast(seed: int) -> nnw.Session:
    """The next value of a series from a window, with standardised values."""
    rng = np.random.default_rng(seed)
    times = np.arange(1600)
    series = np.sin(times / 7) + 0.5 * np.sin(times / 2.3 + 1) + 0.1 * rng.normal(size=1600)
    windows = np.lib.stride_tricks.sliding_window_view(((series - series.mean()) / series.std()).astype(np.float32), 25)
    inputs, wanted = np.ascontiguousarray(windows[:, :24, None]), np.ascontiguousarray(windows[:, 24:])

    class Dilated(linen.Module):
        @linen.compact
        def __call__(self, x: jax.Array) -> jax.Array:
            for reach in (1, 2, 4):
                x = linen.relu(linen.Conv(16, (3,), kernel_dilation=reach, padding="CAUSAL")(x))
            return linen.Dense(1)(x[:, -1])

    model = Dilated()
    objective = nnw.from_linen(
        model, model.init(jax.random.key(seed), inputs[:1]), lambda outputs, targets: jnp.mean((outputs - targets) ** 2)
    )
    return nnw.Session(objective, optax.adam(5e-3), data.batches((inputs, wanted), 50, seed), seed=seed)


HEALTHY: dict[str, Callable[[int], nnw.Session]] = {
    "lstm": partial(read, model=Recurrent("lstm"), tx=optax.adam(1e-2)),
    "gru": partial(read, model=Recurrent("gru"), tx=optax.adam(1e-2)),
    "simple cell": partial(read, model=Recurrent("simple")),
    "bag of words": partial(read, model=Bag()),
    "windows": partial(read, model=Windows()),
    "transformer": partial(read, model=Transformer(3)),
    "transformer, dropout": partial(read, model=Transformer(3, dropout=0.1)),
    "transformer, deep": partial(read, model=Transformer(3, blocks=4), tx=optax.adamw(2e-3)),
    "language model": next_token,
    "language model, dropout": partial(next_token, dropout=0.1),
    "language model, tied": partial(next_token, tied=True),
    "language model, one block": partial(next_token, blocks=1),
    "masked tokens": masked_tokens,
    "labels of tokens": label_tokens,
    "by scan": by_scan,
    "nnx, lstm": in_nnx,
    "equinox, gru": in_equinox,
    "keras, lstm": partial(in_keras, cell="lstm"),
    "keras, gru": partial(in_keras, cell="gru"),
    "spoken": spoken,
    "tastes": tastes,
    "word vectors": word_vectors,
    "graph": graph,
    "forecast": forecast,
}
