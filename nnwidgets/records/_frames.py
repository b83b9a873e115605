"""Series and tables as pandas DataFrames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ._series import Series


def frame(series: Series) -> Any:
    """One DataFrame: index ``step``, one column a layer (the mean, where rows are buckets)."""
    pandas = _pandas()
    index = pandas.Index(series.steps, name="step")
    return pandas.DataFrame(series.values, index=index, columns=pandas.Index(series.layers, name="layer"))


def frames(all_series: list[Series]) -> Any:
    """One DataFrame: index ``step``, columns ``(reading, layer)``, NaN where a step has no such reading."""
    pandas = _pandas()
    if not all_series:
        return pandas.DataFrame(index=pandas.Index([], name="step"))
    return pandas.concat({series.name: frame(series) for series in all_series}, axis=1, names=["reading", "layer"])


def plain_frame(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Any:
    """One DataFrame of a table."""
    return _pandas().DataFrame([list(row) for row in rows], columns=list(columns))


def _pandas() -> Any:
    try:
        import pandas  # pyright: ignore[reportMissingTypeStubs]
    except ImportError as error:
        raise ImportError("to_pandas() needs pandas. Type: pip install 'nnwidgets[pandas]'") from error
    return pandas
