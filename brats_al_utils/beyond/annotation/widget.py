"""The desk in a notebook. It only exchanges messages with the browser, which a saved notebook does not keep."""

from pathlib import Path

import anywidget

from brats_al_utils import InputError
from brats_al_utils.beyond.annotation.desk import Desk, respond
from brats_al_utils.files import cause
from brats_al_utils.show.panel import STATIC

HERE = Path(__file__).parent


class Annotator(anywidget.AnyWidget):
    """Shows proposals one at a time and takes the answers of one reader.

    Pictures and names are only sent as messages. A notebook's file may keep a widget's state, that is its traits: this
    widget's are its code and style, so no picture can get into a file.

    Parameters
    ----------
    desk : Desk
    """

    _esm = "".join(path.read_text(encoding="utf-8") for path in (STATIC / "stage.js", HERE / "widget.js"))
    _css = "".join(path.read_text(encoding="utf-8") for path in (STATIC / "stage.css", HERE / "widget.css"))

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.desk = desk
        self.on_msg(self.receive)

    def receive(self, _widget: "Annotator", message: object, _buffers: list[bytes]) -> None:
        """Do what the browser asks for, and send what it must show."""
        if message == {"ask": "next"} and self.desk.renew:
            try:
                self.desk = self.desk.renew()
            except (InputError, OSError) as error:
                self.send({"kind": "refused", "said": cause(error)}, [])
                return
        self.send(*respond(self.desk, message))
