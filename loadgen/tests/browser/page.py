"""Headless Chromium on the page: start, screenshots, an accessibility check, and waiting."""

import os
import pathlib
import time

import axe_core_python
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By


class Page:
    """A browser window on an address."""

    def __init__(self, url, shots, width=1280, height=900, dark=False, language="en"):
        options = Options()
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu"]
        # The shared memory of a container is too small for Chromium.
        arguments.append("--disable-dev-shm-usage")
        for argument in [*arguments, f"--accept-lang={language}"]:
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        driver = os.environ.get("CHROMEDRIVER", "/usr/bin/chromedriver")
        self.driver = webdriver.Chrome(service=Service(driver), options=options)
        self.driver.set_window_size(width, height)
        theme = "dark" if dark else "light"
        features = [{"name": "prefers-color-scheme", "value": theme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        self.shots = pathlib.Path(shots)
        self.shots.mkdir(parents=True, exist_ok=True)
        self.driver.get(url)

    def find(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector):
        return self.find(selector).text

    def click(self, selector):
        self.find(selector).click()

    def fill(self, selector, text):
        field = self.find(selector)
        field.clear()
        field.send_keys(text)

    def wait(self, what, holds, seconds=20):
        """Waits until `holds` is true."""
        began = time.time()
        while True:
            try:
                if holds():
                    return
            except Exception as error:  # An element may not be there yet.
                last = error
            else:
                last = None
            if time.time() - began > seconds:
                self.shot("fault")
                raise AssertionError(f"{what} did not come: {last}")
            time.sleep(0.2)

    def shot(self, name, whole=True):
        """Writes a screenshot; of the whole page, or of the window."""
        path = self.shots / f"{name}.png"
        size = self.driver.get_window_size()
        if whole:
            height = self.driver.execute_script("return document.documentElement.scrollHeight")
            self.driver.set_window_size(size["width"], max(size["height"], min(height + 150, 6000)))
            time.sleep(0.4)
        self.driver.save_screenshot(str(path))
        self.driver.set_window_size(size["width"], size["height"])

    def check_access(self, name):
        """Fails on serious faults that a screen reader or a keyboard meets."""
        source = pathlib.Path(axe_core_python.__file__).parent / "axe.min.js"
        self.driver.execute_script(source.read_text())
        rules = "{runOnly: ['wcag2a', 'wcag2aa']}"
        found = self.driver.execute_async_script(
            f"const done = arguments[0]; axe.run(document, {rules}).then((r) => done(r.violations))"
        )
        serious = [v for v in found if v["impact"] in ("serious", "critical")]
        told = [(v["id"], [n["html"][:120] for n in v["nodes"]][:3]) for v in serious]
        assert not told, f"{name}: {told}"

    def check_console(self):
        """Fails if a script failed, or if the policy refused something.

        A call that the server refused is neither.
        """
        lines = self.driver.get_log("browser")
        errors = [one for one in lines if one["level"] == "SEVERE" and one["source"] != "network"]
        assert not errors, errors

    def close(self):
        self.driver.quit()
