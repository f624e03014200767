"""Corpora as their publishers' archives unpack, made small: trials, audio, what is missing."""

from dataclasses import replace

import pytest

from fakemamba.data.corpora import CORPORA, CorpusError, open_corpus
from fakemamba.data.corpora.corpus import Corpus
from fakemamba.data.corpora.open_speech import OPEN_SPEECH
from fakemamba.data.keys import KeyFileError
from fakemamba.data.open_speech.attacks import ATTACKS


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def write(root, name, *lines):
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text("".join(f"{line}\n" for line in lines))


def asvspoof2019_la(root):
    lists = {"train": "T train.trn", "dev": "D dev.trl", "eval": "E eval.trl"}
    for phase, names in lists.items():
        letter, ending = names.split()
        write(
            root,
            f"LA/ASVspoof2019_LA_cm_protocols/ASVspoof2019.LA.cm.{ending}.txt",
            f"LA_1 LA_{letter}_1 - - bonafide",
            f"LA_1 LA_{letter}_2 - A01 spoof",
        )
        folder = f"LA/ASVspoof2019_LA_{phase}/flac"
        touch(root, f"{folder}/LA_{letter}_1.flac", f"{folder}/LA_{letter}_2.flac")


def asvspoof2021_la(root):
    lines = [
        f"LA_1 LA_E_{phase}{i} alaw ita_tx {attack} {label} notrim {phase}"
        for phase in ("progress", "eval", "hidden")
        for i, attack, label in ((1, "bonafide", "bonafide"), (2, "A07", "spoof"))
    ]
    write(root, "keys/LA/CM/trial_metadata.txt", *lines)
    touch(root, *(f"ASVspoof2021_LA_eval/flac/{line.split()[1]}.flac" for line in lines))


def asvspoof2021_df(root):
    lines = [
        f"LA_1 DF_E_{phase}{i} nocodec asvspoof {attack} {label} notrim {phase} {vocoder} - - - -"
        for phase in ("progress", "eval", "hidden")
        for i, attack, label, vocoder in (
            (1, "-", "bonafide", "bonafide"),
            (2, "A07", "spoof", "traditional_vocoder"),
        )
    ]
    write(root, "DF-keys-full/keys/DF/CM/trial_metadata.txt", *lines)
    for i, line in enumerate(lines):
        folder = f"ASVspoof2021_DF_eval_part0{i % 4}/ASVspoof2021_DF_eval/flac"
        touch(root, f"{folder}/{line.split()[1]}.flac")


def asvspoof5(root):
    lists = {"T": "train", "D": "dev.track_1", "E": "eval.track_1"}
    for letter, name in lists.items():
        write(
            root,
            f"ASVspoof5.{name}.tsv",
            f"{letter}_01 {letter}_1 F - - - - bonafide bonafide -",
            f"{letter}_01 {letter}_2 M C01 2 {letter}_9 AC1 A17 spoof -",
        )
        folder = "flac_E_eval" if letter == "E" else f"flac_{letter}"
        touch(root, f"{folder}/{letter}_1.flac", f"{folder}/{letter}_2.flac")


def in_the_wild(root):
    folder = "release_in_the_wild"
    lines = ("file,speaker,label", '0.wav,"Watts, Alan",bona-fide', "1.wav,2Pac,spoof")
    write(root, f"{folder}/meta.csv", *lines)
    touch(root, f"{folder}/0.wav", f"{folder}/1.wav")


def open_speech(root):
    phases = ("train", "dev", "test", "partial-train", "partial-dev", "partial-spoof")
    rows = [
        f"audio/{phase}/{i}.flac,{label},{phase},1800"
        for phase in phases
        for i, label in enumerate(("bonafide", "spoof"))
    ]
    write(root, "manifest.csv", "path,label,phase,duration", *rows)
    touch(root, *(row.split(",")[0] for row in rows))


BUILDERS = {
    "asvspoof2019-la": asvspoof2019_la,
    "asvspoof2021-la": asvspoof2021_la,
    "asvspoof2021-df": asvspoof2021_df,
    "asvspoof5": asvspoof5,
    "in-the-wild": in_the_wild,
    "open-speech": open_speech,
}


@pytest.fixture
def build(tmp_path, monkeypatch):
    """Build a small corpus of one bona fide and one spoof trial a phase, and say that it is all."""

    def build_small(name):
        BUILDERS[name](tmp_path)
        monkeypatch.setattr("fakemamba.data.protocols.PUBLISHED", {})
        about = CORPORA[name]
        parts = (replace(part, phases=dict.fromkeys(part.phases, (1, 1))) for part in about.parts)
        return Corpus(replace(about, parts=tuple(parts)), tmp_path)

    return build_small


def test_every_corpus_is_tested():
    assert list(BUILDERS) == list(CORPORA)


@pytest.mark.parametrize("name", BUILDERS)
def test_a_phase_s_trials_have_labels_and_audio_that_is_there(build, name):
    corpus = build(name)
    assert corpus.description.judged in ("eval", "test")
    assert list(corpus.trials()) == list(corpus.trials(corpus.description.judged))
    for phase in corpus.description.phases:
        trials = list(corpus.trials(phase))
        assert [trial.label for trial in trials] == ["bonafide", "spoof"]
        assert {trial.phase for trial in trials} == {phase}
        assert all(trial.path.is_file() for trial in trials)
        assert len({trial.trial_id for trial in trials}) == 2
        assert all(trial.path.stem == trial.trial_id.split("/")[-1] for trial in trials)


@pytest.mark.parametrize("name", BUILDERS)
def test_a_whole_corpus_is_complete(build, name):
    check = build(name).check()
    assert check.complete
    assert check.to_json()["complete"] is True
    assert {part.surplus.count for part in check.parts} == {0}
    phases = [phase for part in check.parts for phase in part.phases]
    assert [phase.phase for phase in phases] == list(CORPORA[name].phases)
    hours = {phase.duration_s for phase in phases}
    assert hours == ({3600.0} if name == "open-speech" else {None})


@pytest.mark.parametrize("name", BUILDERS)
def test_a_recording_that_is_not_there_is_named(build, name):
    corpus = build(name)
    gone, emptied = (trial.path for trial in corpus.trials())
    gone.unlink()
    emptied.write_bytes(b"")
    touch(gone.parent, "another.wav")
    check = corpus.check()
    assert not check.complete
    phase = next(
        phase
        for part in check.parts
        for phase in part.phases
        if phase.phase == corpus.description.judged
    )
    assert phase.missing.count == 1
    assert phase.missing.first[0].endswith(gone.name)  # in which of DF's four folders, none knows
    assert (phase.empty.count, phase.empty.first) == (1, (str(emptied),))
    surplus = [name for part in check.parts for name in part.surplus.first]
    assert surplus == [str(gone.parent / "another.wav")]
    others = [one for one in corpus.description.phases if one != corpus.description.judged]
    assert all(corpus.check(other).complete for other in others)


def test_files_that_are_no_recordings_are_not_surplus(build):
    corpus = build("in-the-wild")
    touch(corpus.root, "release_in_the_wild/README.md")
    assert corpus.check().complete
    assert corpus.check().parts[0].surplus.count == 0


def test_two_trials_of_one_recording_are_told(build):
    corpus = build("in-the-wild")
    write(corpus.root, "release_in_the_wild/meta.csv", *("path,label", "0.wav,real", "0.wav,fake"))
    phase = corpus.check().parts[0].phases[0]
    assert (phase.repeated.count, phase.missing.count, phase.complete) == (1, 0, False)


def test_counts_other_than_the_publisher_s_are_refused(build):
    corpus = build("asvspoof2021-la")
    key = corpus.root / "keys/LA/CM/trial_metadata.txt"
    lines = [line for line in key.read_text().splitlines(True) if "eval2" not in line]
    key.write_text("".join(lines))
    with pytest.raises(
        CorpusError,
        match="1 bona fide and 0 spoof trials of phase eval, but ASVspoof 2021 LA has 1 and 1",
    ):
        list(corpus.trials())
    check = corpus.check()
    assert not check.complete
    assert check.parts[0].surplus.first == (
        str(corpus.root / "ASVspoof2021_LA_eval/flac/LA_E_eval2.flac"),
    )


def test_the_publisher_s_key_must_be_whole(tmp_path):
    """Without another description: 181,566 trials are asked for."""
    asvspoof2021_la(tmp_path)
    corpus = open_corpus("asvspoof2021-la", tmp_path)
    with pytest.raises(KeyFileError, match="has 14,816 and 133,360"):
        list(corpus.trials())
    check = corpus.check()
    assert "has 14,816 and 133,360" in check.parts[0].problem
    assert check.parts[0].phases[1].expected == (14_816, 133_360)


@pytest.mark.parametrize("name", BUILDERS)
def test_an_empty_folder_says_what_is_expected(tmp_path, name):
    corpus = open_corpus(name, tmp_path)
    with pytest.raises(CorpusError, match="unpack the keys"):
        list(corpus.trials())
    check = corpus.check()
    assert not check.complete
    assert all("no file" in part.problem for part in check.parts)


def test_a_phase_without_trials_is_refused(build):
    corpus = build("open-speech")
    write(corpus.root, "manifest.csv", "path,label,phase", "audio/train/0.flac,bonafide,train")
    corpus = Corpus(CORPORA["open-speech"], corpus.root)
    with pytest.raises(CorpusError, match="0 bona fide and 0 spoof trials of phase test"):
        list(corpus.trials())
    assert not corpus.check("test").complete
    assert corpus.check("train").complete


def test_keys_without_audio_are_counted(build):
    corpus = build("asvspoof5")
    for path in corpus.root.glob("flac_D/*"):
        path.unlink()
    (corpus.root / "flac_D").rmdir()
    with pytest.raises(CorpusError, match=r"no folder flac_D or .*unpack the audio"):
        next(corpus.trials("dev"))
    dev = corpus.check("dev").parts[0].phases[0]
    assert (dev.bona_fide, dev.spoof, dev.missing.count) == (1, 1, 2)


def test_what_is_not_known_is_refused(build, tmp_path):
    with pytest.raises(CorpusError, match="no corpus is called 'asvspoof', but asvspoof2019-la"):
        open_corpus("asvspoof", tmp_path)
    with pytest.raises(CorpusError, match="no such folder"):
        open_corpus("asvspoof5", tmp_path / "absent")
    corpus = build("asvspoof5")
    for ask in (corpus.trials, corpus.check):
        with pytest.raises(CorpusError, match="no phase 'progress', but train, dev, eval"):
            list(ask("progress"))


def test_attacks_have_the_families_that_are_known_of_them(build, tmp_path):
    trials = list(build("asvspoof2019-la").trials("train"))
    assert [(one.attack, one.family) for one in trials] == [(None, None), ("A01", "text-to-speech")]
    assert set(OPEN_SPEECH.families) == {*ATTACKS}
    of_kind = {"copy-synthesis": "copy-synthesis", "voice": "voice-conversion"}
    for name, attack in ATTACKS.items():
        family = of_kind.get(attack.kind.split()[0], "text-to-speech")
        assert OPEN_SPEECH.families[name] == family
    lines = ["path,label,phase,attack,family", "a.flac,spoof,test,lpc,", "b.flac,spoof,test,x,own"]
    write(tmp_path, "manifest.csv", *lines, "c.flac,bonafide,test,,", "d.flac,spoof,test,x,")
    found = Corpus(OPEN_SPEECH, tmp_path).trials("test")
    assert [one.family for one in found] == ["copy-synthesis", "own", None, None]
