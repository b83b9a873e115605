"""Clipping: how often it acts, what it does, where the bound should be."""

from ._clipping import Clipping as Clipping
