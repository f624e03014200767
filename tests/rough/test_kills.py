"""kill -9 at random moments of the work: nothing is lost or doubled, and the bytes are the same.

`pytest tests/rough --kills 34`, as `tox -e rough` has it, kills each command 34 times. The tests of
each command kill it once.
"""

import json
import random

import pytest
import soundfile
from children import lines_of

from fakemamba import save_pretrained
from fakemamba.data.synthetic import speech_like
from fakemamba.training.recipe_files import write_recipe

LONGEST_DELAY_S = {"score": 0.2, "train": 0.6, "sweep": 0.3}


@pytest.fixture
def kills(request):
    asked_for = request.config.getoption("--kills")
    return asked_for or pytest.skip("killed only as often as --kills says, or by `tox -e rough`")


def until_killed(children, kills, rng, what, command, progress, done, start_anew):
    """Kill a command so many times at work, going on each time, and see that it ends after all.

    ``done`` is called whenever a command has ended by itself, before all begins anew.
    """
    killed, attempt = 0, 0
    while killed < kills:
        attempt += 1
        delay_s = rng.uniform(0, LONGEST_DELAY_S[what])
        if children.kill_at_work(command(attempt), progress, delay_s):
            killed += 1
        else:
            done()
            start_anew()
            attempt = 0
    children.run(command(attempt + 1))
    done()


def test_score_has_the_same_bytes(children, kills, tmp_path, make_detector):
    save_pretrained(make_detector("fake-mamba-s"), tmp_path / "model")
    lines = ["trial_id,path"]
    for seed, num_samples in enumerate((9_000, 4_000, 12_000, 6_500, 20_000)):
        soundfile.write(tmp_path / f"{seed}.wav", speech_like(num_samples, seed), 16_000)
    lines += [f"t{number},{number % 5}.wav" for number in range(400)]
    (tmp_path / "list.csv").write_text("\n".join(lines) + "\n")
    common = ["score", "--checkpoint", tmp_path / "model", "--manifest", tmp_path / "list.csv"]
    common += ["--device", "cpu", "--batch-seconds", "1.5", "--out"]
    expected, out = tmp_path / "expected.txt", tmp_path / "scores.txt"
    children.run([*common, expected])

    def done():
        assert out.read_bytes() == expected.read_bytes()
        assert not out.with_name("scores.txt.journal").exists()
        told = [
            json.loads(path.with_name(f"{path.name}.json").read_text()) for path in (out, expected)
        ]
        assert told[0]["counts"] == told[1]["counts"]
        assert told[0]["audio_s"] == told[1]["audio_s"]

    until_killed(
        children,
        kills,
        random.Random(1),
        "score",
        lambda attempt: [*common, out, "--resume"],
        lambda: lines_of(tmp_path / "scores.txt.journal" / "rank-0.jsonl"),
        done,
        out.unlink,
    )


def final_bytes(run):
    """All that a training ends with, but for times and environments."""
    kept = [*run.glob("detector/*"), *run.glob("best/*/*.safetensors"), run / "steps.csv"]
    kept += run.glob("checkpoints/*/*.safetensors")
    return {path.relative_to(run): path.read_bytes() for path in kept} | {
        "epochs": [line.rpartition(",")[0] for line in (run / "epochs.csv").read_text().split()]
    }


def test_train_has_the_same_bytes(children, kills, tmp_path, make_recipe):
    recipe = make_recipe(
        data={"augmentation": "0.7*rawboost:4"},
        selection={"max_epochs": 6, "averaged": 3, "augmented": True},
        optimization={"batch_size": 2},
    )
    write_recipe(tmp_path / "recipe.toml", recipe)
    common = ["train", tmp_path / "recipe.toml", "--device", "cpu", "--workers", "0"]
    common += ["--save-minutes", "0", "--out"]
    children.run([*common, tmp_path / "expected"])
    expected, run = final_bytes(tmp_path / "expected"), [tmp_path / "run-0"]

    def done():
        assert final_bytes(run[-1]) == expected

    until_killed(
        children,
        kills,
        random.Random(2),
        "train",
        lambda attempt: [*common, run[-1], *["--resume"] * (attempt > 1)],
        lambda: max((one.name for one in run[-1].glob("checkpoints/*")), default=None),
        done,
        lambda: run.append(tmp_path / f"run-{len(run)}"),
    )


def test_a_sweep_has_every_cell_once_and_every_visit_that_was_made(children, kills, tmp_path):
    result = tmp_path / "out.json"
    journal = tmp_path / "out.json.journal"
    command = ["pytest", "bench/", "-q", "-p", "no:cacheprovider", f"--benchmark-json={result}"]
    command += ["--bench-durations", "0.25,0.5,0.75,1", "--bench-frontend", "xls-r-tiny"]
    command += ["--bench-detectors", "fake-mamba-s,xlsr-conformer,xlsr-mamba,xlsr-aasist"]
    command += ["--bench-instruments", "work", "--bench-time", "0.01", "--bench-min-rounds", "3"]
    seen = {}

    def progress():
        lines = journal.read_bytes().split(b"\n")[1:-1] if journal.exists() else []
        seen.update((line, json.loads(line)) for line in lines if line not in seen)
        return len(lines) or None

    def done():
        entries = json.loads(result.read_text())["benchmarks"]
        ids = [entry["extra_info"]["cell_id"] for entry in entries]
        assert len(ids) == len(set(ids)) == 4 * 4 * 3
        assert not journal.exists()
        found = {entry["extra_info"]["cell_id"]: entry["extra_info"] for entry in entries}
        for record in seen.values():
            for visit in record["visits"]:
                assert found[record["cell_id"]]["visits"].count(visit) == 1
        for info in found.values():
            passes = [visit["pass"] for visit in info["visits"]]
            assert passes == sorted(set(passes)) and len(passes) >= 5

    def start_anew():
        result.unlink()
        seen.clear()

    until_killed(
        children,
        kills,
        random.Random(3),
        "sweep",
        lambda attempt: [*command, *["--bench-resume", str(result)] * (attempt > 1)],
        progress,
        done,
        start_anew,
    )
