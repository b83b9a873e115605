"""A run as one HTML file."""

from __future__ import annotations

from ._page import page as page
