"""A plugin for `make soak` (`-p tests.figures`): one line for each test, with its seconds and the figures it printed.

A test says its figures by printing them; lines of one test are joined.
"""

from __future__ import annotations

import pytest


class Figures:
    """Writes the line as soon as a test has ended, in place of pytest's dot."""

    def __init__(self, reporter: pytest.TerminalReporter) -> None:
        self._reporter = reporter

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """Count a test that passed, and show no dot for it."""
        return ("passed", "", "") if report.when == "call" and report.passed else None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            said = "; ".join(line.strip() for line in report.capstdout.splitlines() if line.strip())
            name = report.nodeid.removeprefix("tests/")
            self._reporter.write_line(f"{report.duration:8.1f} s  {report.outcome}  {name}  {said}")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Put the lines beside the terminal's own."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    assert isinstance(reporter, pytest.TerminalReporter)
    config.pluginmanager.register(Figures(reporter), "figures")
