"""A widget's own script and style on a plain page, without JupyterLab: what it asks is answered by its Python side."""

import base64
from collections.abc import Callable
from typing import Any

from selenium.webdriver import ActionChains, Chrome, Keys

RENDERED = """
window.sent = [];
window.model = {on: (_, hear) => (window.hear = hear), off: () => {}, send: (message) => sent.push(message)};
document.head.append(Object.assign(document.createElement("style"), {textContent: arguments[0]}));
render({model, el: document.body});
"""
HEAR = """
const bytes = arguments[1].map((text) => Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0)));
hear(arguments[0], bytes.map((each) => new DataView(each.buffer)));
"""


class WidgetPage:
    """A page with one widget, whose questions are answered when a key has been pressed or something was clicked."""

    def __init__(self, browser: Chrome, widget: Any, reply: Callable[[Any], tuple[Any, list[bytes]]]) -> None:
        self.browser, self.reply = browser, reply
        browser.get("about:blank")
        browser.execute_script(widget._esm.replace("export default { render };", RENDERED), widget._css)
        self.serve()
        browser.execute_script("document.querySelector('[tabindex]').focus()")

    def serve(self) -> list[Any]:
        """Answer what the page has asked, and return that."""
        asked: list[Any] = self.browser.execute_script("return sent.splice(0)")
        for message in asked:
            content, buffers = self.reply(message)
            self.browser.execute_script(HEAR, content, [base64.b64encode(each).decode() for each in buffers])
        return asked

    def press(self, *keys: str, shift: bool = False) -> list[Any]:
        """Press keys one after the other, and return what was asked."""
        for key in keys:
            chain = ActionChains(self.browser)
            (chain.key_down(Keys.SHIFT).send_keys(key).key_up(Keys.SHIFT) if shift else chain.send_keys(key)).perform()
        return self.serve()

    def click(self, selector: str, text: str = "") -> None:
        """Click the first element that a selector finds and that says a text."""
        found = self.browser.find_elements("css selector", selector)
        next(each for each in found if text in each.text).click()
        self.serve()

    def seen(self, selector: str) -> str:
        """Return what can be read in the elements that a selector finds."""
        return "\n".join(each.text for each in self.browser.find_elements("css selector", selector))
