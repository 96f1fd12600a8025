"""The MLflow UI as `rareevent ui` opens it, in a real browser: what a team sees and compares."""

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rareevent.jobs.backtest import backtest
from rareevent.jobs.fold import FoldPlan
from rareevent.jobs.train import train
from rareevent.tracking.home import connect
from tests.browsers import needs_browser, start_browser
from tests.lines import line_pipeline, write_line

pytestmark = [pytest.mark.slow, needs_browser]
WAIT_SEC = 90
START_SEC = 240
RECALL = "metrics.`test/event_recall`"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with two trainings and a backtest in its home."""
    folder = tmp_path_factory.mktemp("desk")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.chdir(folder)
        config = line_pipeline(write_line(folder))
        train(config)
        train(line_pipeline(write_line(folder), label={"horizon": "2min"}))
        backtest(config, FoldPlan(2, 0.6, "expanding"), folder / "backtest", workers=1)
        yield folder


@pytest.fixture(scope="module")
def address(place):
    """What `rareevent ui` prints for the experiment, once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).parent / "rareevent"), "ui", "--port", str(port)]
    log = place / "ui.log"
    with log.open("w") as out:
        server = subprocess.Popen(command, cwd=place, stdout=out, stderr=out, env=_environment())
    try:
        _wait_until_answered(port, server, log)
        (line,) = re.findall(r"^line: (http://\S+)$", log.read_text(), re.MULTILINE)
        assert line.startswith(f"http://127.0.0.1:{port}/")
        yield line
    finally:
        server.terminate()
        server.wait(60)


def _environment():
    return {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}


def _wait_until_answered(port, server, log):
    ends = time.monotonic() + START_SEC
    while time.monotonic() < ends:
        assert server.poll() is None, log.read_text()
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.3)
    raise AssertionError(log.read_text())


class Desk:
    """The browser, with waiting built in: the page is drawn from answers of the server."""

    def __init__(self, driver, address, shots):
        self.driver, self.address, self.shots = driver, address, shots
        self.base = address.partition("/#/")[0]

    def open(self, url, *texts):
        self.driver.get("about:blank")
        self.driver.get(url)
        self.wait(*texts)

    def wait(self, *texts):
        self.until(lambda: all(text in self.text() for text in texts), texts)

    def until(self, true, what):
        ends = time.monotonic() + WAIT_SEC
        while time.monotonic() < ends:
            try:
                if true():
                    return
            except Exception as error:
                if type(error).__module__.partition(".")[0] != "selenium":
                    raise
            time.sleep(0.3)
        self.shoot("gave-up")
        raise AssertionError(f"{what} did not come; the page says: {self.text()[:3000]}")

    def text(self):
        return self.driver.find_element("css selector", "body").text

    def click(self, xpath):
        self.until(lambda: self.driver.find_element("xpath", xpath).click() is None, xpath)

    def column(self, key):
        """The texts of a column of the table of runs, in the order of its rows."""
        return self.driver.execute_script(
            """
            return [...document.querySelectorAll('.ag-row [col-id]')]
              .filter((cell) => cell.getAttribute('col-id') === arguments[0])
              .map((cell) => [+cell.closest('.ag-row').getAttribute('row-index'), cell.innerText])
              .sort((one, other) => one[0] - other[0]).map((pair) => pair[1].trim());
            """,
            key,
        )

    def shoot(self, name):
        assert self.driver.save_screenshot(str(self.shots / f"{name}.png"))


@pytest.fixture(scope="module")
def desk(address, tmp_path_factory):
    driver = start_browser(tmp_path_factory.mktemp("profile"))
    driver.set_window_size(1920, 1200)
    yield Desk(driver, address, tmp_path_factory.mktemp("shots"))
    driver.quit()


@pytest.fixture
def runs(place, monkeypatch):
    """Name -> run, of the experiment."""
    monkeypatch.chdir(place)
    client = connect()
    key = client.get_experiment_by_name("line").experiment_id
    return {run.info.run_name: run for run in client.search_runs([key])}


def trainings(runs):
    found = [run for run in runs.values() if run.data.tags["kind"] == "training"]
    return sorted(found, key=lambda run: -run.data.metrics["test/event_recall"])


def test_the_printed_address_shows_which_training_is_best(desk, runs):
    desk.open(desk.address, "test/event_recall", "horizon 2min")
    desk.until(lambda: len(desk.column(RECALL)) == 2, "two trainings")
    desk.shoot("best-first")
    shown = [float(text) for text in desk.column(RECALL)]
    assert shown == pytest.approx([r.data.metrics["test/event_recall"] for r in trainings(runs)])
    assert shown[0] > shown[1]
    assert desk.column("attributes.`Run Name`")[0].endswith(trainings(runs)[0].info.run_name)
    for name in ("test/false_alarms_per_event", "test/pr_auc", "Best first"):
        assert name in desk.text()
    assert "fold 1" not in desk.text()


def test_a_click_sorts_by_another_figure(desk, runs):
    key = "metrics.`test/pr_auc`"
    figures = sorted(run.data.metrics["test/pr_auc"] for run in trainings(runs))
    assert figures[0] < figures[1]
    desk.open(desk.address, "test/event_recall", "horizon 2min")
    for _ in range(2):
        before = desk.driver.current_url
        desk.click("//*[contains(@class, 'ag-header-cell')]//*[text()='test/pr_auc']")
        desk.until(lambda url=before: desk.driver.current_url != url, "another order")
        expected = figures if "orderByAsc=true" in desk.driver.current_url else figures[::-1]
        desk.until(
            lambda order=expected: [float(t) for t in desk.column(key)] == pytest.approx(order),
            f"{key} as {expected}",
        )
    desk.shoot("sorted")


def test_two_runs_compared_stand_side_by_side(desk, runs):
    desk.open(desk.address, "test/event_recall", "horizon 2min")
    desk.until(lambda: len(desk.column(RECALL)) == 2, "two trainings")
    desk.click("//*[contains(@class, 'ag-header-select-all')]//input")
    desk.click("//button[.//text()[contains(., 'Compare')]]")
    desk.wait("Comparing 2 Runs", "label.horizon")
    desk.shoot("compared")
    for run in trainings(runs):
        assert run.info.run_name in desk.text()


def test_the_data_are_shown_with_digest_and_columns(desk, runs):
    best = trainings(runs)[0]
    digest = best.data.tags["data_sha256"][:12]
    desk.open(f"{desk.base}/#/experiments/1/runs/{best.info.run_id}", digest)
    desk.click(f"(//*[contains(., 'line ({digest})')])[last()]")
    desk.wait("warm", "double")
    desk.shoot("dataset")
    assert "line.csv" in desk.text()


def test_a_runs_page_says_the_verdict_and_the_figures(desk, runs):
    best = trainings(runs)[0]
    desk.open(f"{desk.base}/#/experiments/1/runs/{best.info.run_id}", "Description")
    desk.wait(best.data.tags["verdict_sentence"].split(".")[0])
    desk.click("//*[text()='Show more']")
    desk.wait("events caught", "Stacked LSTM", "Logistic regression", "Alarms at random")
    desk.shoot("run")
    caught = best.data.metrics["test/caught"]
    assert f"{caught:.0f} of {best.data.metrics['test/events']:.0f}" in desk.text()


def test_the_report_is_read_where_it_is_kept(desk, runs):
    best = trainings(runs)[0]
    where = f"{desk.base}/#/experiments/1/runs/{best.info.run_id}/artifacts/report.html"
    desk.open(where, "report.html")
    desk.until(lambda: desk.driver.find_element("css selector", "iframe"), "the report")
    desk.shoot("report")
    desk.driver.switch_to.frame(desk.driver.find_element("css selector", "iframe"))
    try:
        desk.wait("events", best.info.run_name, "Alarm precision")
    finally:
        desk.driver.switch_to.default_content()
    desk.shoot("report")


def test_folds_stand_under_their_backtest(desk, runs):
    (parent,) = [run for run in runs.values() if run.data.tags["kind"] == "backtest"]
    folds = [run for run in runs.values() if run.data.tags["kind"] == "backtest fold"]
    assert {run.data.tags["mlflow.parentRunId"] for run in folds} == {parent.info.run_id}
    desk.open(f"{desk.base}/#/experiments/1/runs?orderByKey=attributes.start_time", "backtest")
    assert "fold 1" not in desk.text()
    row = f"//*[contains(@class, 'ag-row')][.//*[contains(text(), '{parent.info.run_name[:20]}')]]"
    desk.click(f"({row}//button)[1]")
    desk.wait("fold 1", "fold 2")
    desk.shoot("folds")
