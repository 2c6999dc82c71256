"""Uses the page as a person does: a load test and a sweep, from their forms to their reports.

    drive.py URL SCREENSHOTS

The page loads a host that answers, and offers one model to sweeps.
"""

import pathlib
import sys
import tempfile
import time

import requests
from page import Page
from selenium.webdriver.support.ui import Select

URL, SHOTS = sys.argv[1].rstrip("/"), sys.argv[2]


def load_test(page):
    page.wait("the form", lambda: page.find("#swarm").is_displayed())
    page.shot("start")
    page.check_access("start")
    page.click("#swarm summary")
    page.fill("#swarm [name=user_count]", "many")
    page.click("#start")
    page.wait("a refusal", lambda: "integer" in page.text("#swarm .message"))
    page.fill("#swarm [name=user_count]", "40")
    page.fill("#swarm [name=spawn_rate]", "40")
    page.fill("#swarm [name=wait_time]", "constant(0.2)")
    page.fill("#swarm [name=slo]", "p95<2s,failures<5%")
    page.click("#example")
    body = page.find("#swarm [name=body]")
    page.wait("the example", lambda: "features" in body.get_attribute("value"))
    page.click("#start")
    page.wait("users", lambda: page.text("#users") == "40")
    page.wait("requests", lambda: "Aggregated" in page.text("#stats"))
    page.shot("running")
    page.check_access("running")
    charts_move(page)
    page.click("#edit")
    page.fill("#edit-form [name=user_count]", "15")
    page.click("#edit-form button[type=submit]")
    page.wait("fewer users", lambda: page.text("#users") == "15")
    for tab in ["generator", "ratio", "logs", "download"]:
        page.click(f"#tab-{tab}")
        assert page.find(f"#panel-{tab}").text.strip(), tab
    downloads(page)
    page.click("#stop")
    page.wait("the stop", lambda: page.text("#state") == "stopped")
    page.wait("the verdict", lambda: "Objective met" in page.text("#verdict"))
    page.shot("finished")
    page.check_console()


def charts_move(page):
    page.click("#tab-charts")
    label = lambda: page.find("#chart-rps canvas").get_attribute("aria-label")
    page.wait("a chart", lambda: "RPS" in label())
    pixels = "return document.querySelector('#chart-times canvas').toDataURL()"
    before = page.driver.execute_script(pixels)
    page.wait("a moving chart", lambda: page.driver.execute_script(pixels) != before)
    page.shot("charts")
    page.check_access("charts")


def downloads(page):
    links = page.driver.find_elements("css selector", "#files a")
    paths = [link.get_attribute("href") for link in links]
    assert len(paths) == 8, paths
    for path in paths:
        answer = requests.get(path, timeout=30)
        assert answer.status_code == 200 and answer.content, path
    report = requests.get(paths[0], timeout=30).text
    from_disk(report, "report-run")


def from_disk(report, name):
    """Opens a report from a file, without a network."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "report.html"
        path.write_text(report)
        for width, dark, kind in [(1100, False, ""), (390, True, "-phone-dark")]:
            page = Page("about:blank", SHOTS, width, 900, dark)
            page.driver.execute_cdp_cmd("Network.enable", {})
            offline = {
                "offline": True,
                "latency": 0,
                "downloadThroughput": 0,
                "uploadThroughput": 0,
            }
            page.driver.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
            page.driver.get(path.as_uri())
            assert page.driver.find_elements("css selector", "svg"), "no chart"
            page.shot(name + kind)
            page.check_access(name)
            page.check_console()
            page.close()


def failures(page):
    """A test whose requests fail shows the server's words."""
    page.click("#new")
    page.fill("#swarm [name=headers]", "X-Tenant: 7")
    page.fill("#swarm [name=slo]", "")
    page.fill("#swarm [name=path]", "/nowhere")
    page.click("#start")
    page.wait("the target's refusal", lambda: "404" in page.text("#swarm .message"))
    page.shot("refused")


def scenario_failures(page):
    """A scenario is not tried first, so that its failures are figures."""
    page.click("#swarm summary") if not page.find("#swarm [name=scenario]").is_displayed() else None
    Select(page.find("#swarm [name=scenario]")).select_by_index(1)
    page.click("#start")
    page.wait("failures", lambda: page.find("#failure-count").is_displayed())
    page.click("#tab-failures")
    page.wait("the server's words", lambda: "status 404" in page.text("#errors"))
    page.shot("failures")
    page.check_access("failures")
    page.click("#tab-charts")
    Select(page.find("#overlay")).select_by_index(1)
    page.wait("an overlay", lambda: "(" in page.text("#chart-rps .legend"))
    page.shot("overlay")
    page.click("#stop")
    page.wait("the stop", lambda: page.text("#state") == "stopped")
    earlier_test(page)


def earlier_test(page):
    """The first test of the session can be looked at again."""
    Select(page.find("#shown-test")).select_by_value("1")
    page.click("#tab-stats")
    page.wait("its figures", lambda: "/predict" in page.text("#stats"))
    page.click("#tab-failures")
    page.wait("its failures", lambda: "none" in page.text("#errors"))
    Select(page.find("#shown-test")).select_by_value("2")
    page.wait("the last test", lambda: "nowhere" in page.text("#errors"))


def sweep(page):
    page.driver.get(URL + "/#/sweeps/new")
    page.wait("the form", lambda: page.find("#sweep-form").is_displayed())
    page.check_access("the sweep form")
    page.click("#sweep-form button[type=submit]")
    time.sleep(2)  # A wrong submit would lead elsewhere by then.
    assert page.driver.current_url.endswith("/new"), "a workload is needed"
    choose_model(page)
    page.click("#sweep-form summary")
    fields = {
        "max_users": "200",
        "step": "100",
        "wait_time": "constant(0.2)",
        "cpus": "0.1:0.3:0.1",
        "memory": "96Mi",
        "slo": "p95<1s,failures<2%,rate>=80%",
    }
    for name, value in fields.items():
        page.fill(f"#sweep-form [name={name}]", value)
    page.shot("sweep-form")
    page.click("#sweep-form button[type=submit]")
    page.wait("the sweep", lambda: "fresh" in page.text("#sweep-body table"), 120)
    page.shot("sweep-running")
    page.check_access("the running sweep")
    first = page.driver.current_url
    page.wait("the answer", lambda: page.find("#judge-form").is_displayed(), 400)
    assert "CPU" in page.text(".answer"), page.text(".answer")
    page.shot("sweep-finished")
    page.check_access("the finished sweep")
    name = first.rsplit("/", 1)[1]
    report = requests.get(f"{URL}/api/sweeps/of/{name}/files/report.html", timeout=30)
    from_disk(report.text, "report-sweep")
    judge_again(page)
    stop_early(page)
    page.driver.get(first)
    page.driver.refresh()
    page.wait("the first sweep", lambda: page.find("#judge-form").is_displayed())
    page.click("#judge-form summary")
    page.wait("the list", lambda: len(Select(page.find("#compare")).options) > 1)
    Select(page.find("#compare")).select_by_index(1)
    page.wait("the second curve", lambda: "(sweep-" in page.text("#sweep-body figure .legend"))
    page.shot("compare")
    page.driver.get(URL + "/#/sweeps")
    page.wait("the archive", lambda: page.text("#sweep-body").count("sweep-") >= 2)
    page.shot("archive")
    page.check_console()


def choose_model(page):
    """Chooses the first model in the form of a sweep."""
    select = Select(page.find("#sweep-form [name=workload]"))
    values = [option.get_attribute("value") for option in select.options]
    select.select_by_value(next(value for value in values if value.startswith("model:")))


def judge_again(page):
    page.click("#judge-form summary")
    page.fill("#judge-form [name=slo]", "p95<20s,failures<2%,rate>=80%")
    page.click("#judge-form button[type=submit]")
    page.wait("why not", lambda: "gave requests up" in page.text("#judge-form .message"))
    page.fill("#judge-form [name=slo]", "p95<1s,failures<2%,rate>=80%")
    page.fill("#judge-form [name=cpu_price]", "31.5 USD/month")
    page.fill("#judge-form [name=memory_price]", "4.2 USD/month")
    page.click("#judge-form button[type=submit]")
    page.wait("the note", lambda: "nothing was measured" in page.text("#sweep-body .banner"))
    page.shot("judged-again")


def stop_early(page):
    """Stopping is Ctrl-C: the sweep keeps its trials, and goes on from the page."""
    page.driver.get(URL + "/#/sweeps/new")
    page.wait("the form", lambda: page.find("#sweep-form").is_displayed())
    choose_model(page)
    page.fill("#sweep-form [name=max_users]", "50")
    page.click("#sweep-form button[type=submit]")
    page.wait("a probe", lambda: "probe" in page.text("#sweep-body table"), 120)
    stop_and_wait(page)
    trials = lambda: len(page.driver.find_elements("css selector", "#sweep-body tbody tr"))
    before = trials()
    resume = "//button[text()='Resume']"
    page.driver.find_element("xpath", resume).click()
    page.wait("the sweep again", lambda: page.find("#sweep-stop").is_displayed(), 30)
    stop_and_wait(page)
    assert trials() >= before, "the trials of before are still there"


def stop_and_wait(page):
    page.click("#sweep-stop")
    button = page.find("#sweep-stop")
    # Disabled until the sweep has written its result, and then gone.
    page.wait("no second stop", lambda: not (button.is_enabled() and button.is_displayed()))
    page.wait("the end", lambda: "Nothing is confirmed" in page.text("#sweep-body"), 60)
    page.wait("resume", lambda: "Resume" in page.text("#sweep-body"))


LOOKS = [
    # Width, height, dark, language, name.
    (390, 840, False, "en", "phone"),
    (1280, 900, True, "en", "dark"),
    (1280, 900, False, "es", "spanish"),
]


def looks():
    """Opens the same page on a phone, in the dark, and in Spanish."""
    for width, height, dark, language, name in LOOKS:
        page = Page(URL, SHOTS, width, height, dark, language)
        page.wait("the tabs", lambda: page.find("#test-body").is_displayed())
        page.shot(name)
        page.check_access(name)
        overflow = "return document.documentElement.scrollWidth - innerWidth"
        wide = page.driver.execute_script(overflow)
        assert wide <= 0, f"{name}: the page is {wide} px too wide"
        if language == "es":
            assert "Prueba de carga" in page.text("#test-title")
        page.close()


def main():
    page = Page(URL, SHOTS)
    load_test(page)
    failures(page)
    scenario_failures(page)
    looks()
    sweep(page)
    page.close()
    print("the page works")


main()
