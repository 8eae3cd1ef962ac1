import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from keras_neural_opt.hpo import SearchResult
from tests.hpo.searches import TWO, result, two

EVIL = '<script>document.title="taken"</script>"\'&'
EVIL_SPACE = [(EVIL, "uniform", 0.0, 1.0), ("b", "categorical", [EVIL, '"><img src=x onerror=alert(1)>'])]


def hostile() -> SearchResult:
    def value(values: dict) -> float:
        if values[EVIL] > 0.8:
            raise ArithmeticError(f"</td></table>{EVIL}")
        return values[EVIL]

    found = result((EVIL, "min"), value, max_trials=12, hyperparameters=EVIL_SPACE)
    assert {trial.state for trial in found.trials} == {"completed", "failed"}
    return found


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hostile().to_html(tmp_path_factory.mktemp("report") / "report.html")


def test_a_report_has_summary_best_pictures_and_all_trials(tmp_path: Path) -> None:
    found = result(max_trials=8)
    path = found.to_html(tmp_path / "report.html")
    text = path.read_text()
    assert "Searched for the least loss in 8 trials: 8 completed" in text
    assert f"Trial {found.best_trial.number}: loss {found.best_value:.4g}" in text
    headings = re.findall("<h2>(.*?)</h2>", text)
    assert headings == [
        "Best hyperparameters", "History", "Learning curves", "Importance", "Each hyperparameter",
        "All hyperparameters", "Two hyperparameters", "Trials",
    ]  # fmt: skip
    assert text.count("<svg") == 6
    rows = re.findall(r"<tr><td>(\d+)</td><td>(\w+)</td>", text)
    assert rows == [(str(number), "completed") for number in range(8)]
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]


def test_a_report_of_several_objectives_has_their_front(tmp_path: Path) -> None:
    text = result(TWO, two, max_trials=5).to_html(tmp_path / "report.html").read_text()
    assert "the least loss and the least seconds" in text
    assert "5 trials are such that no other is better in everything" in text
    assert "<h2>Pareto front</h2>" in text


def test_a_report_of_nothing_is_a_report(tmp_path: Path) -> None:
    text = result(max_trials=1, value=lambda _: float("nan")).to_html(tmp_path / "report.html").read_text()
    assert "1 diverged" in text
    assert re.findall("<h2>(.*?)</h2>", text) == ["Trials"]


def test_nothing_of_the_user_is_taken_for_html(page: Path) -> None:
    text = page.read_text()
    assert "<script" not in text
    assert "<img" not in text
    assert "&lt;/td&gt;&lt;/table&gt;&lt;script&gt;" in text
    assert re.findall(r'(?:src|href)="(?!#|data:image/png)[^"]*', text) == []


def test_the_same_search_gives_the_same_report(page: Path, tmp_path: Path) -> None:
    again = hostile().to_html(tmp_path / "report.html").read_text()

    def timeless(text: str) -> str:
        return re.sub(r"<td>\d+\.\d</td>|\d+ s of", "", text)

    assert timeless(again) == timeless(page.read_text())


def opened(page: Path) -> tuple[str, str]:
    """Return the page as Chromium has it, and what its console says."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("Chromium is not installed")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"]
    run = subprocess.run([browser, *options, page.as_uri()], capture_output=True, text=True, timeout=120, check=True)
    return run.stdout, "\n".join(line for line in run.stderr.splitlines() if "CONSOLE" in line)


@pytest.mark.slow
def test_a_browser_shows_it_and_runs_nothing(page: Path, tmp_path: Path) -> None:
    shown, console = opened(page)
    assert "<title>Hyperparameter search</title>" in shown
    assert console == ""
    # Were something forgotten, the policy would hold it back.
    broken = tmp_path / "broken.html"
    planted = '<script>document.title="taken"</script><style>body { display: none }</style>'
    broken.write_text(page.read_text().replace("</body>", f"{planted}</body>"))
    shown, console = opened(broken)
    assert "<title>Hyperparameter search</title>" in shown
    assert console.count("Content Security Policy") == 2


def test_a_data_frame_has_a_row_for_each_trial() -> None:
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    found = result(max_trials=6)
    frame = found.to_dataframe()
    assert list(frame.columns[:5]) == ["state", "reason", "best_epoch", "seconds", "loss"]
    assert list(frame.index) == list(range(6))
    assert frame["loss"].min() == found.best_value
    rates = frame["hyperparameters.rate"]
    assert list(rates) == [trial.hyperparameters["rate"] for trial in found.trials]
    missing = ["width" not in trial.hyperparameters for trial in found.trials]
    assert list(pd.isna(frame["hyperparameters.width"])) == missing


def test_without_pandas_a_data_frame_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="to_dataframe needs pandas: pip install pandas"):
        result(max_trials=1).to_dataframe()
