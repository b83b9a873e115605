"""A run on record in words."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from nnwidgets.records import duration

if TYPE_CHECKING:
    from ._run import Run


def told(run: Run) -> str:
    """What a user wants to know of a run, in a page at most."""
    begun = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.created))
    pace = f", {run.steps_per_second:.3g} steps a second" if run.steps_per_second else ""
    lines = [
        f"run {run.id} ({run.name}): {run.state} at step {run.step:,}",
        f"  began {begun} on {run.host}, took {duration(run.seconds)}{pace}",
        *([f"  {run.message}"] if run.message else []),
        *([f"  {run.error.strip().splitlines()[-1]}"] if run.error else []),
        *([f"  tags: {', '.join(run.tags)}"] if run.tags else []),
        *([f"  note: {run.note}"] if run.note else []),
    ]
    lines += _setting(run) + _origin(run) + _losses(run)
    lines += [f"  {each.severity}: {each.rule} {each.where}".rstrip() for each in run.findings]
    lines += [f"  notice: {each['message']}" for each in run.notices]
    lines += [f"  {each['target']}: {each['state']} {each['error']}".rstrip() for each in run.deliveries]
    return "\n".join(lines)


def _setting(run: Run) -> list[str]:
    numbers, model, data = run.facts("hyperparameters"), run.facts("model"), run.facts("data")
    chain = [f"{each['name']}({_arguments(each.get('arguments', {}))})" for each in numbers.get("optimizer", ())]
    lines = [f"  optimizer: {' -> '.join(chain)}"] if chain else []
    if numbers:
        lines.append(f"  batches of {numbers.get('batch_size')}, seed {numbers.get('seed')}")
    if model:
        lines.append(
            f"  model: {model['parameters']:,} parameters in {len(model['tensors'])} tensors ({model['framework']})"
        )
    if data:
        batches, hashed = data.get("batches", 0), data.get("hashed", 0)
        part = "" if hashed == batches else f", {hashed:,} of them hashed"
        lines.append(
            f"  data: {data.get('examples', 0):,} examples in {batches:,} batches{part}, hash {data['hash'][:12]}"
        )
    return lines


def _arguments(arguments: dict[str, object]) -> str:
    return ", ".join(f"{name}={value}" for name, value in arguments.items() if value is not None)[:120]


def _origin(run: Run) -> list[str]:
    code, environment = run.facts("code"), run.facts("environment")
    git = code.get("git") or {}
    place = {"script": (code.get("script") or {}).get("path", ""), "notebook": f"{len(code.get('cells', ()))} cells"}
    lines = [f"  code: {code['kind']} {place.get(code['kind'], '')}".rstrip()] if code else []
    if git:
        lines.append(
            f"  git: {git.get('commit', '')[:12]} on {git.get('branch', '')}{', changed' if git.get('dirty') else ''}"
        )
    if environment:
        packages, jax = environment.get("packages", {}), environment.get("jax", {})
        lines.append(f"  Python {environment.get('python')}, jax {packages.get('jax')} on {jax.get('backend')}")
    return lines


def _losses(run: Run) -> list[str]:
    lines = []
    for name in ("train/loss", "validation/loss"):
        steps, values = run.rows(name)
        if len(steps):
            lines.append(
                f"  {name}: {values[0, 0]:.4g} at step {steps[0]:,}, {values[-1, 0]:.4g} at step {steps[-1]:,}"
            )
    return lines
