"""Markdown in notebooks: the names that come from users and bundles in it stay plain text."""

import html

import IPython.display
import pandas as pd

# Names in tables are text too, never formulas.
pd.options.display.html.use_mathjax = False

DOLLAR = '<span class="tex2jax_ignore">&#36;</span>'
"""A dollar sign that MathJax ignores: it reads the page, not its source, and passes over elements of this class."""

AS_TEXT = str.maketrans({sign: f"&#{ord(sign)};" for sign in "&<>[]:"} | {"$": DOLLAR})
"""Signs of HTML, links, images and formulas, none of which occur in the project's own sentences."""


def as_text(said: str) -> str:
    """Return Markdown with escaped HTML, links, images and formulas: JupyterLab would run code in them."""
    return said.translate(AS_TEXT)


def as_said(text: str) -> str:
    """Return the text from which `as_text` was made."""
    return html.unescape(text.replace(DOLLAR, "$"))


class Markdown(IPython.display.Markdown):
    """Markdown for a notebook, with `as_text` applied: class labels, names and sites come from users."""

    def __init__(self, said: str) -> None:
        super().__init__(as_text(said))  # type: ignore[no-untyped-call]
