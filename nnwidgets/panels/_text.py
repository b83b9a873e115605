"""Names and words of the user's on their way into a page: as text, whatever they hold."""

from __future__ import annotations

import html

# Signs that nobody sees, which turn round the order in which the text after them is read (https://trojansource.codes).
_TURNING = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_SEEN = {code: f"\\u{code:04x}" for code in _TURNING}


def literal(text: str) -> str:
    r"""The text, with signs that turn round the reading order written out.

    Example:
        >>> literal("layer\u202e1")
        'layer\\u202e1'
    """
    return text.translate(_SEEN)


def escape(text: str) -> str:
    r"""The text as HTML that shows it letter by letter.

    Example:
        >>> escape("<img onerror='x'>\u202e")
        '&lt;img onerror=&#x27;x&#x27;&gt;\\u202e'
    """
    return html.escape(literal(text))
