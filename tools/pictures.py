"""Take README's pictures: `python tools/pictures.py REPORT.html FOLDER`, as `make pictures` does.

A browser is needed (chromium and chromedriver). The desk shows synthetic patients.
"""

import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from brats_al_utils.beyond.annotation.example import example

PATIENCE = 300
"""Seconds until the desk shows its first image: JupyterLab starts, and phantoms are made."""


def browser(folder: str) -> webdriver.Chrome:
    """Start a browser without a window."""
    options = webdriver.ChromeOptions()
    for option in ("headless=new", "no-sandbox", "disable-gpu", f"user-data-dir={folder}", "window-size=1280,800"):
        options.add_argument(f"--{option}")
    options.add_argument("--disable-background-networking")
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    # With the driver's path named, selenium does not look for one to download.
    return webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))


def take_desk(driver: webdriver.Chrome, path: Path, folder: Path) -> None:
    """Open the desk on its first image, and take its picture."""
    words = ["annotate", "--data", str(example(folder)), "--no-browser", "--budget", "6", "--strategy", "random"]
    command = [sys.executable, "-m", "brats_al_utils", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as process:  # noqa: S603
        try:
            lines = iter(process.stdout or ())
            url = next(found[0] for line in lines if (found := re.search(r"http://127\.0\.0\.1:\S+", line)))
            driver.get(url)
            counted = (By.CSS_SELECTOR, ".brats-al-counted")
            WebDriverWait(driver, PATIENCE).until(
                lambda it: [each for each in it.find_elements(*counted) if " of 6 " in each.text]
            )
            driver.save_screenshot(str(path))
        finally:
            process.send_signal(signal.SIGINT)


def main(report: str, target: str) -> None:
    """Take all pictures into a folder."""
    folder = Path(target)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="brats-al-pictures-") as place:
        driver = browser(f"{place}/browser")
        try:
            driver.get(Path(report).resolve().as_uri())
            driver.save_screenshot(str(folder / "report.png"))
            take_desk(driver, folder / "desk.png", Path(place) / "desk")
        finally:
            driver.quit()


if __name__ == "__main__":
    main(*sys.argv[1:])
