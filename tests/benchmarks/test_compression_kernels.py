"""The benchmark of compressors alone: everything is timed, next to a copy."""

import json
from pathlib import Path

import pytest

from keras_neural_opt.cli import main


@pytest.mark.slow
def test_the_command_writes_what_kernels_take(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "record.json"
    assert main(["bench", "compression-kernels", "--elements", "300000", "--rounds", "1", "--out", str(out)]) == 0
    record = json.loads(out.read_text())
    assert record["elements"] == 544 * 544
    rows = {row["kernel"]: row for row in record["results"]}
    codes = ("Cast", "Int8", "Int4", "SignSGD", "QSGD", "TernGrad")
    assert set(rows) == {
        *(f"{code} {way}" for code in codes for way in ("encode", "decode")),
        "TopK sampled", "TopK exact", "PowerSGD rank 4, with its residual",
    }  # fmt: skip
    for row in rows.values():
        wall = row["times"]["wall_ms_median"]
        assert row["over_copy"]["wall"] == pytest.approx(wall / record["copy"]["wall_ms_median"], rel=0.01)
        assert row["over_warm_copy"]["wall"] == pytest.approx(wall / record["warm_copy"]["wall_ms_median"], rel=0.01)
    assert "of which a copy takes" in capsys.readouterr().out
