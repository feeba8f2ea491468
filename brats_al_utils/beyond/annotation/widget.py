"""The desk in a notebook: messages to and from the browser, and nothing that a saved notebook would keep."""

from pathlib import Path

import anywidget

from brats_al_utils.beyond.annotation.desk import Desk, respond


class Annotator(anywidget.AnyWidget):
    """Shows proposals one at a time and takes the answers of one reader.

    Pictures and names travel only as messages of their own. A notebook's file may keep a widget's state, which is its
    traits: this one has none but its code and style, so no picture can get there.

    Parameters
    ----------
    desk : Desk
    """

    _esm = Path(__file__).with_suffix(".js")
    _css = Path(__file__).with_suffix(".css")

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.desk = desk
        self.on_msg(self.receive)

    def receive(self, _widget: "Annotator", message: object, _buffers: list[bytes]) -> None:
        """Do what the browser asks for and send what it is to show."""
        self.send(*respond(self.desk, message))
