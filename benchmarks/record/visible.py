"""Texts from files, for the terminal."""

from __future__ import annotations

import unicodedata

_ACTS = ("Cc", "Cf", "Cs")
"""Unicode's categories of what a terminal obeys, does not show, or cannot encode."""


def visible(text: object) -> str:
    """Return a text with its control characters, except ends of lines and tabs, as Python's escapes."""
    return "".join(
        repr(c)[1:-1] if c not in "\n\t" and unicodedata.category(c) in _ACTS else c
        for c in str(text)
    )
