import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY


@pytest.mark.slow
def test_profiles_of_training_and_scoring_name_the_stages_that_took_the_time(tmp_path):
    small = ["--assets", "2", "--days", "12"]
    subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.profiles", str(tmp_path), *small],
        cwd=REPOSITORY,
        check=True,
    )

    train, score = ((tmp_path / f"{name}.txt").read_text() for name in ("train", "score"))
    assert "learn" in train
    assert "fit_lstm" in train
    assert "score_files" in score
    assert "fit_lstm" not in score
    pages = [(tmp_path / f"{name}.html").read_text() for name in ("train", "score")]
    assert all("pyinstrument" in page for page in pages)
