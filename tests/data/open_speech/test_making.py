"""A quartet made: all of it or nothing, under the same conditions, and its rows."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fakemamba.data import recordings
from fakemamba.data.cues import measure_cues
from fakemamba.data.open_speech.attacks import ATTACKS
from fakemamba.data.open_speech.attacks.attack import ForgeryError, Voice
from fakemamba.data.open_speech.channel import SilenceError
from fakemamba.data.open_speech.making import make_quartet
from fakemamba.data.open_speech.plan import Forgery, Quartet, Splice
from fakemamba.data.open_speech.prompts import Prompt

FOLDER = Path(recordings.__file__).parent / "recordings"
HUMAN = Prompt("privacy-prompt", "it", "testo", FOLDER / "it-privacy-prompt.flac")
DONOR = Prompt("conf-invalid", "ru", "текст", FOLDER / "ru-conf-invalid.flac")
QUARTET = Quartet(
    HUMAN,
    "test",
    "OS_E_00004",
    (Forgery("OS_E_00001", "griffin-lim", None), Forgery("OS_E_00002", "lpc", None)),
    Splice("OS_P_00001", "OS_P_00002", 1, DONOR),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("quartet")


@pytest.fixture(scope="module")
def made(folder):
    return make_quartet(QUARTET, folder, seed=0)


def test_a_quartet_has_a_row_and_a_file_a_recording(made, folder):
    rows = {row["trial_id"]: row for row in made.rows}
    assert {name: row["label"] for name, row in rows.items()} == {
        "OS_E_00004": "bonafide",
        "OS_E_00001": "spoof",
        "OS_E_00002": "spoof",
        "OS_P_00001": "spoof",
        "OS_P_00002": "bonafide",
    }
    assert rows["OS_E_00001"]["vocoder"] == "griffin-lim" and rows["OS_P_00001"]["attack"] == "lpc"
    assert "attack" not in rows["OS_P_00002"] and rows["OS_P_00002"]["phase"] == "partial-spoof"
    assert {row["speaker"] for row in made.rows} == {"carlo"}
    for row in made.rows:
        samples, rate_hz = soundfile.read(folder / row["path"])
        assert rate_hz == 16_000 and len(samples) / rate_hz == pytest.approx(row["duration"])


def test_all_of_a_quartet_have_the_same_level_and_silences(made, folder):
    cues = [
        measure_cues(soundfile.read(folder / row["path"], dtype="float32")[0]) for row in made.rows
    ]
    for name, within in (
        ("level_dbfs", 0.7),
        ("leading_silence_s", 0.05),
        ("trailing_silence_s", 0.05),
        ("duration_s", 0.1),
    ):
        assert np.ptp([getattr(one, name) for one in cues]) < within, name


def test_segments_of_the_control_are_all_bona_fide_and_tell_its_cuts(made):
    labels = {}
    for trial_id, _, _, label in made.segments:
        labels.setdefault(trial_id, []).append(label)
    assert labels["OS_P_00002"] in (["bonafide"] * 3, ["bonafide"] * 5)
    assert labels["OS_P_00001"] in (
        ["bonafide", "spoof", "bonafide"],
        ["bonafide", "spoof", "bonafide", "spoof", "bonafide"],
    )


@pytest.mark.parametrize("phase", ["train", "dev"])
def test_other_splits_have_spliced_recordings_and_controls_too(tmp_path, phase):
    quartet = replace(QUARTET, phase=phase, splice=replace(QUARTET.splice, forgery=0))
    made = make_quartet(quartet, tmp_path, seed=0)
    spliced = {row["trial_id"]: row for row in made.rows if row["phase"] == f"partial-{phase}"}
    assert {row["label"] for row in spliced.values()} == {"spoof", "bonafide"}
    assert spliced["OS_P_00001"]["attack"] == "griffin-lim"
    assert all((tmp_path / row["path"]).is_file() for row in spliced.values())
    assert {trial_id for trial_id, *_ in made.segments} == set(spliced)


@pytest.mark.parametrize("error", [ForgeryError("mumbled"), SilenceError("hushed")])
def test_nothing_is_written_if_one_attack_fails(tmp_path, monkeypatch, error):
    def fail(original, voice, rng):
        raise error

    monkeypatch.setitem(ATTACKS, "lpc", replace(ATTACKS["lpc"], forge=fail))
    made = make_quartet(QUARTET, tmp_path, seed=0)
    assert made.left_out == "lpc did not say the text" and not made.rows
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("samples", "reason"), [(np.zeros(16_000), "silence"), (np.ones(4_000), "less than 0.6 s")]
)
def test_a_prompt_without_speech_is_left_out(tmp_path, samples, reason):
    noise = samples * np.random.default_rng(0).uniform(-0.5, 0.5, len(samples))
    soundfile.write(tmp_path / "x.wav", noise, 16_000)
    quartet = replace(QUARTET, prompt=replace(HUMAN, path=tmp_path / "x.wav"))
    assert reason in make_quartet(quartet, tmp_path / "out", seed=0).left_out


def test_a_voice_gives_its_speaker_and_its_licence(tmp_path, monkeypatch):
    voice = Voice("v", "someone", "festvox-x", "GPL-2.0-or-later")
    speaking = replace(ATTACKS["lpc"], voices={"it": (voice,)})
    monkeypatch.setitem(ATTACKS, "lpc", speaking)
    forgeries = (Forgery("OS_E_00001", "lpc", 0),)
    quartet = replace(QUARTET, forgeries=forgeries, splice=replace(QUARTET.splice, forgery=0))
    rows = {row["trial_id"]: row for row in make_quartet(quartet, tmp_path, seed=0).rows}
    spoken, spliced = rows["OS_E_00001"], rows["OS_P_00001"]
    assert (spoken["speaker"], spoken["source"]) == ("someone", "festvox-x")
    assert spliced["speaker"] == "carlo"
    assert spoken["licence"] == spliced["licence"] == "CC-BY-3.0 AND GPL-2.0-or-later"
    assert rows["OS_E_00004"]["licence"] == "CC-BY-3.0"
