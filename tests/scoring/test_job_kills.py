"""Killed at any moment, stopped, locked out, or out of disk: nothing is lost and nothing twice."""

import json
import resource
import shutil
import signal
import subprocess
import time

import numpy as np
import pandas as pd
import pytest

from rareevent.bundle import load_bundle, save_bundle
from rareevent.errors import LockedError
from rareevent.scoring.job import ScoreOptions, score_files
from tests.scoring.fleets import fleet_bundle, fleet_rows
from tests.scoring.outputs import finish, manifest, scored, start, tree
from tests.scoring.test_job_files import write_pieces


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    """A bundle directory, a folder of eight files, and the output of a job that was left alone."""
    folder = tmp_path_factory.mktemp("line")
    save_bundle(fleet_bundle(), folder / "b")
    source = write_pieces(folder / "in", fleet_rows(11), [7, 15, 22, 30, 37, 45, 52])
    assert len(list(source.iterdir())) == 8
    done = finish(score(folder, folder / "whole"))
    assert done.returncode == 0, done.stderr
    return folder


def score(line, output, *more, **process):
    arguments = ("--model", line / "b", "--input", line / "in", "--output", output)
    return start("score", *arguments, *more, **process)


def assert_identical(one, other):
    """The same files with the same bytes, and the same manifest but for times of day."""
    names = [name for name in tree(one) if name != "manifest.db"]
    assert [name for name in tree(other) if name != "manifest.db"] == names
    for name in names:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    columns = "id, path, sha256, rows, scored, rejected, alarms, not_scored, first, last, bundle"
    for query in (
        f"SELECT {columns} FROM inputs ORDER BY id",
        "SELECT path, kind, input, rows FROM outputs ORDER BY path",
        "SELECT * FROM states ORDER BY asset",
        "SELECT * FROM seen ORDER BY asset, first",
    ):
        assert manifest(one, query) == manifest(other, query)


def kill_until_done(line, output, moments):
    """Start the job again and again, killing it after each of the moments; how many kills hit."""
    hits = 0
    for moment in moments:
        process = score(line, output)
        try:
            process.wait(timeout=moment)
        except subprocess.TimeoutExpired:
            process.kill()
            hits += 1
        finish(process)
        if process.returncode == 0:
            return hits, True
        assert process.returncode == -signal.SIGKILL
    return hits, False


def seconds_of_a_run(line, output):
    started = time.perf_counter()
    assert finish(score(line, output)).returncode == 0
    return time.perf_counter() - started


def test_a_job_killed_five_times_leaves_what_an_uninterrupted_one_leaves(line, tmp_path):
    whole = seconds_of_a_run(line, tmp_path / "timed")
    moments = np.random.default_rng(5).uniform(0.4, 0.95, 5) * whole
    kill_until_done(line, tmp_path / "out", moments)
    done = finish(score(line, tmp_path / "out"))

    assert done.returncode == 0, done.stderr
    assert_identical(line / "whole", tmp_path / "out")


@pytest.mark.slow
def test_a_job_killed_at_a_hundred_random_moments_leaves_what_an_uninterrupted_one_leaves(
    line, tmp_path
):
    draw, kills, rounds, taken = np.random.default_rng(100), 0, 0, set()
    whole = seconds_of_a_run(line, tmp_path / "timed")
    while kills < 100:
        output, done = tmp_path / f"out-{rounds}", False
        while not done:
            # Most moments lie where files are taken; some before, while the process wakes up.
            moment = draw.uniform(0.25, 1.0) * whole if kills < 100 else 60.0
            hits, done = kill_until_done(line, output, [moment])
            kills += hits
            if not done and (output / "manifest.db").exists():
                taken.add(files_taken(output))
        assert_identical(line / "whole", output)
        rounds += 1
    # The kills did fall between files, not only before the first one.
    assert len(taken) >= 4


def files_taken(output):
    """How many, as the next job will find it: reading rolls a broken transaction back."""
    return len(manifest(output)) if (output / "manifest.db").stat().st_size else 0


DEADLY = """
import os, signal, sqlite3, sys
from rareevent.bundle import load_bundle
from rareevent.scoring import job
bundle, source, folder, moment = sys.argv[1:]
left = [int(moment)]
def deadly(real):
    def call(*arguments, **named):
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        return real(*arguments, **named)
    return call
os.replace, os.fsync = deadly(os.replace), deadly(os.fsync)
for name in ("write_states", "write_seen"):
    from rareevent.scoring import manifest
    setattr(manifest, name, deadly(getattr(manifest, name)))
manifest.settle = deadly(manifest.settle)
options = job.ScoreOptions(model=bundle)
job.score_files(load_bundle(bundle), source, folder, options=options)
"""


@pytest.mark.slow
@pytest.mark.parametrize("moment", range(0, 28, 3))
def test_killed_at_any_step_of_a_commit_the_next_job_finishes_it(line, tmp_path, moment):
    out = tmp_path / "out"
    process = finish(start(line / "b", line / "in", out, moment, code=DEADLY))
    assert process.returncode == -signal.SIGKILL, process.stderr
    seen = {name for name in tree(out) if "part-" in name and ".staging" not in name}
    entered = manifest(out, "SELECT path FROM outputs")
    assert seen <= {path for (path,) in entered}
    assert finish(score(line, out)).returncode == 0
    assert_identical(line / "whole", out)


def test_sigterm_finishes_the_file_at_hand_says_so_and_exits_with_zero(line, tmp_path):
    out = tmp_path / "out"
    process = score(line, out, "--json")
    until = time.monotonic() + 60
    while not list(out.glob("scores/**/part-*")) and time.monotonic() < until:
        time.sleep(0.005)
    process.send_signal(signal.SIGTERM)
    done = finish(process)
    summary = json.loads(done.stdout)

    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 1
    assert summary["stopped"] is (len(summary["files"]) < 8)
    assert len(manifest(out)) == len(summary["files"])
    assert finish(score(line, out)).returncode == 0
    assert_identical(line / "whole", out)


HOLDER = """
import sys, time
from pathlib import Path
from rareevent.scoring.folder import output_folder, state_lock
with output_folder(Path(sys.argv[1])), state_lock(Path(sys.argv[2])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_job_on_one_output_or_state_is_refused_at_once(line, tmp_path):
    out, elsewhere = tmp_path / "out", ScoreOptions(state=tmp_path / "line.db")
    holder = start(out, elsewhere.state, code=HOLDER)
    try:
        assert holder.stdout.readline() == "held\n"
        bundle = fleet_bundle()
        with pytest.raises(LockedError, match="another job is writing there"):
            score_files(bundle, line / "in", out)
        with pytest.raises(LockedError, match="another job is using this state"):
            score_files(bundle, line / "in", tmp_path / "other", options=elsewhere)
        done = finish(score(line, out))
        assert done.returncode == 8
        assert len(done.stderr.splitlines()) == 1
    finally:
        holder.kill()
        finish(holder)
    assert score_files(bundle, line / "in", out).rows_scored == 173


def limited(size):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    return limit


@pytest.mark.parametrize(
    "size", [2_000, *(pytest.param(s, marks=pytest.mark.slow) for s in (500, 3_000, 30_000))]
)
def test_a_file_that_may_not_grow_is_told_in_one_line_and_the_next_job_recovers(
    line, tmp_path, size, monkeypatch
):
    # `make coverage` writes a file of its own at the end of a process, which may not grow either.
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
    out = tmp_path / "out"
    done = finish(score(line, out, preexec_fn=limited(size)))
    assert done.returncode == 7, (done.stdout, done.stderr)
    assert len([x for x in done.stderr.splitlines() if x.startswith("rareevent: ")]) == 1
    assert "Traceback" not in done.stderr
    assert not [name for name in tree(out) if "staging" in name]
    assert finish(score(line, out)).returncode == 0
    assert_identical(line / "whole", out)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 300 KB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(place)]
    made = subprocess.run(command, capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"no small disk can be mounted here: {made.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_told_in_one_line_and_the_next_job_recovers(line, small_disk):
    arguments = ("--model", line / "b", "--input", line / "in", "--output", small_disk / "out")
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 180_000)
    done = finish(start("score", *arguments))
    assert done.returncode == 7, (done.stdout, done.stderr)
    assert len([x for x in done.stderr.splitlines() if x.startswith("rareevent: ")]) == 1
    taken = len(manifest(small_disk / "out"))
    assert taken < 8
    assert len(scored(small_disk / "out")) == sum(
        row for (row,) in manifest(small_disk / "out", "SELECT scored FROM inputs")
    )
    ballast.unlink()
    assert finish(start("score", *arguments)).returncode == 0
    assert_identical(line / "whole", small_disk / "out")


def test_what_a_killed_job_left_staged_is_never_read_as_output(line, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(line / "whole", out)
    staging = out / ".staging"
    staging.mkdir()
    (staging / "scores__date=2024-03-01__part-x.parquet").write_bytes(b"half a file")
    assert len(pd.read_parquet(out / "scores")) == 173
    score_files(load_bundle(line / "b"), line / "in", out)
    assert not staging.exists()
    assert_identical(line / "whole", out)


def test_a_dry_run_after_a_kill_in_mid_commit_sees_what_was_committed(line, tmp_path):
    output = tmp_path / "out"
    shutil.copytree(line / "whole", output)
    # More than SQLite keeps in memory, so that the database itself is half changed.
    code = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('PRAGMA cache_size = 1'); c.execute('BEGIN IMMEDIATE');"
        "c.execute('DELETE FROM inputs'); c.execute('CREATE TABLE junk (x)');"
        "c.executemany('INSERT INTO junk VALUES (?)', ((os.urandom(3000),) for _ in range(200)));"
        "os.kill(os.getpid(), 9)"
    )
    finish(start(output / "manifest.db", code=code))
    assert (output / "manifest.db-journal").exists()
    done = finish(score(line, output, "--dry-run"))

    assert (done.returncode, done.stderr) == (0, "")
    assert "0 files to take, 8 taken before" in done.stdout
