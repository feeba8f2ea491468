"""What notebooks say in words: Markdown of the project's own, in which all that a user or a bundle named stays text."""

import html

import IPython.display
import pandas as pd

# Names in tables are text too, never formulas.
pd.options.display.html.use_mathjax = False

AS_TEXT = str.maketrans({sign: f"&#{ord(sign)};" for sign in "&<>[]$:"})
"""Signs of HTML, links, images and formulas, none of which the project's own sentences have."""


def as_text(said: str) -> str:
    """Return Markdown in which nothing is HTML, a link, an image or a formula: JupyterLab would run what is in them."""
    return said.translate(AS_TEXT)


def as_said(text: str) -> str:
    """Return what `as_text` was given."""
    return html.unescape(text)


class Markdown(IPython.display.Markdown):
    """Markdown for a notebook to show, with `as_text` applied: class labels, names and sites are a user's own."""

    def __init__(self, said: str) -> None:
        super().__init__(as_text(said))  # type: ignore[no-untyped-call]
