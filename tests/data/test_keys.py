"""Keys: every publisher's form, phases, whole files, and lines that cannot be used."""

import gzip
import tracemalloc

import pytest

from fakemamba.data import trial_counts
from fakemamba.data.keys import KeyFileError, iterate_key, read_asv_scores, read_key

# Lines as the publishers' own texts show them.
ASVSPOOF2019 = """\
LA_0079 LA_T_1138215 - - bonafide
LA_0039 LA_E_2834763 - A11 spoof
"""
LA2021 = """\
LA_0009 LA_E_9332881 alaw ita_tx A07 spoof notrim eval
LA_0020 LA_E_7294490 g722 loc_tx bonafide bonafide notrim eval
LA_0031 LA_E_0000001 none - bonafide bonafide trim hidden
LA_0031 LA_E_0000002 opus sin_tx A19 spoof notrim progress
"""
DF2021 = """\
LA_0023 DF_E_2000011 nocodec asvspoof A14 spoof notrim progress traditional_vocoder - - - -
TEF2 DF_E_2000013 low_m4a vcc2020 Task1-team20 spoof notrim eval \
neural_vocoder_nonautoregressive Task1 team20 FF E
LA_0048 DF_E_2000058 mp3m4a asvspoof - bonafide notrim eval bonafide - - - -
"""
ASVSPOOF5 = """\
E_0001 E_0000000001 F C05 3 E_0000000009 AC1 A17 spoof -
E_0002 E_0000000002 M - - - - bonafide bonafide -
"""


@pytest.fixture
def write(tmp_path):
    def write_key(text, name="key.txt"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write_key


def rows(table, *columns):
    return list(table[list(columns)].itertuples(index=False, name=None))


@pytest.mark.parametrize("key_format", ["auto", "asvspoof2019"])
def test_asvspoof_2019(write, key_format):
    assert rows(
        read_key(write(ASVSPOOF2019), key_format), "trial_id", "label", "attack", "speaker", "phase"
    ) == [
        ("LA_T_1138215", "bonafide", None, "LA_0079", None),
        ("LA_E_2834763", "spoof", "A11", "LA_0039", None),
    ]


@pytest.mark.parametrize("key_format", ["auto", "asvspoof2021"])
def test_asvspoof_2021_la_is_its_eval_phase(write, key_format):
    table = read_key(write(LA2021), key_format)
    assert rows(table, "trial_id", "label", "attack", "codec", "phase") == [
        ("LA_E_9332881", "spoof", "A07", "alaw", "eval"),
        ("LA_E_7294490", "bonafide", None, "g722", "eval"),
    ]


@pytest.mark.parametrize(
    ("phase", "count"), [(None, 2), ("eval", 2), ("hidden", 1), ("hidden_track", 1), ("all", 4)]
)
@pytest.mark.parametrize("text", [LA2021, LA2021.replace("hidden", "hidden_track")])
def test_a_phase_may_be_chosen(write, phase, count, text):
    table = read_key(write(text), phase=phase)
    assert len(table) == count
    assert set(table["phase"]) <= {"eval", "progress", "hidden"}


def test_asvspoof_2021_df_has_sources_and_vocoders(write):
    table = read_key(write(DF2021))
    assert rows(table, "trial_id", "label", "attack", "codec", "source", "vocoder", "speaker") == [
        (
            *("DF_E_2000013", "spoof", "Task1-team20", "low_m4a", "vcc2020"),
            *("neural_vocoder_nonautoregressive", "TEF2"),
        ),
        ("DF_E_2000058", "bonafide", None, "mp3m4a", "asvspoof", None, "LA_0048"),
    ]


@pytest.mark.parametrize("key_format", ["auto", "asvspoof5"])
def test_asvspoof_5(write, key_format):
    table = read_key(write(ASVSPOOF5), key_format)
    assert rows(table, "trial_id", "label", "attack", "codec", "speaker") == [
        ("E_0000000001", "spoof", "A17", "C05", "E_0001"),
        ("E_0000000002", "bonafide", None, "none", "E_0002"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "A bonafide\nB spoof\n",
        "A bonafide\r\nB spoof\r\n",
        "\ufeffA bonafide\n\nB spoof",
        "filename\tcm-label\nA\tbonafide\nB\tspoof\n",
        "filename cm-label\nA bonafide\nB spoof\n",
        "\ufefffile_name,label\r\nA.wav,bonafide\r\nB.wav,spoof\r\n",
        'file,speaker,label\nA.wav,"Alan Watts",bona-fide\nB.wav,2Pac,spoof\n',
        "trial_id,label,phase\nA,real,test\nB,fake,test\nC,fake,train\n",
        gzip.compress(b"A bonafide\nB spoof\n", mtime=0),
        "A,bonafide\nB,spoof\n",
        '"A";"bonafide"\n"B";"spoof"\n',
        '"file","label"\n"A","bonafide"\n"B","spoof"\n',
        '"","trial_id","label"\r\n"1","A","bonafide"\r\n"2","B","spoof"\r\n',
        '"filename" "cm-label"\n"A" "bonafide"\n"B" "spoof"\n',
        "utt_id;label\nA;genuine\nB;fake\n",
    ],
    ids=str,
)
def test_other_forms_give_the_same_trials(write, text):
    assert rows(read_key(write(text)), "trial_id", "label") == [("A", "bonafide"), ("B", "spoof")]


def test_ids_are_kept_as_they_are_written(write):
    """ADD's label.txt has endings, a name may have a comma: `coverage.join` finds them."""
    assert rows(read_key(write("E_1.wav genuine\nE_2.wav fake\n")), "trial_id", "label") == [
        ("E_1.wav", "bonafide"),
        ("E_2.wav", "spoof"),
    ]
    assert read_key(write("filename,label\na.wav,real\n"))["trial_id"].tolist() == ["a.wav"]
    assert read_key(write("com,ma bonafide\nz spoof\n"))["trial_id"].tolist() == ["com,ma", "z"]


def test_the_column_of_labels_can_be_chosen(write):
    path = write("utt_id,label,truth\na,7,real\nb,8,fake\n")
    table = read_key(path, label_column="truth")
    assert rows(table, "trial_id", "label") == [("a", "bonafide"), ("b", "spoof")]
    with pytest.raises(KeyFileError, match="its first line names no column 'class'"):
        read_key(path, label_column="class")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("A 1\nB 0\n", "line 1: the label is '1', and corpora do not agree which class 1 is"),
        (
            "A bonafied\n",
            "line 1: the label is 'bonafied', but must be one of .*; or there is a fi",
        ),
        (ASVSPOOF5.replace(" -\n", "\n"), "line 1: 9 columns, but a key of format auto has 2 or 5"),
        (LA2021[:-4], r"line 4 \(the file ends in the middle.*: no phase is called 'progr'"),
        ("trial_id,label,speaker\nA,spoof,S12\nB,spoof,S1", "line 3 .*lost the end of 'S1'; if it"),
        ("\n \n", "nothing but blank lines"),
        ("trial_id,label\n", "no recordings after the first line"),
        (ASVSPOOF2019 + "LA_0039 LA_E_1 -\n", "line 3: 3 columns, but the lines before have 5"),
        (ASVSPOOF2019[:-10], r"line 2 \(the file ends in the middle of it; fetch it again\): 3 c"),
        (ASVSPOOF2019[:-3], r"line 2 \(the file ends in the middle of it.*the label is 'spo'"),
        (ASVSPOOF2019 + "LA_0039 LA_E_1 - A07 fooled\n", "line 3: the label is 'fooled', but must"),
        (ASVSPOOF2019 * 2, r"line 3: trial LA_T_1138215 is there already, in line 1 \(2 such"),
        ("trial_id,label\nA,spoof\nA,spoof\n", "line 3: trial A is there already, in line 2"),
        ("A 1.5\nB 2.5\n", "line 1: this is a score file"),
        ("A - bonafide 1.5\n", "line 1: this is a score file"),
        ("trial_id,score\nA,1.5\n", "line 1: .*a first line that names the columns"),
        ("LA_E_9332881\nLA_E_6866159\n", "a list of trials without labels is no key"),
        (LA2021.replace("eval", "progress"), "no trial of phase eval or test; it has hidden, prog"),
        (b"A bonafide\nB\0 spoof\n", "line 2: not text but binary"),
        (gzip.compress(LA2021.encode() * 99, mtime=0)[:-20], "the gzip file is broken"),
    ],
    ids=str,
)
def test_a_line_that_cannot_be_used_is_named(write, text, message):
    with pytest.raises(KeyFileError, match=message):
        read_key(write(text))


def test_what_is_asked_for_must_be_there(write, tmp_path):
    with pytest.raises(KeyFileError, match="no trial of phase dev; it has no phases"):
        read_key(write(ASVSPOOF2019), phase="dev")
    with pytest.raises(KeyFileError, match="8 columns, but a key of format asvspoof5 has 2 or 10"):
        read_key(write(LA2021), "asvspoof5")
    with pytest.raises(KeyFileError, match="no key format is called 'sasv', but auto, asv"):
        read_key(write(LA2021), "sasv")
    with pytest.raises(KeyFileError, match="is a folder"):
        read_key(tmp_path)
    with pytest.raises(KeyFileError, match="no such file"):
        read_key(tmp_path / "absent")


def numbered_la2021(counts):
    """Lines of a key with so many trials a phase and class, each with an id of its own."""
    number = 0
    for phase, (bona_fide, spoof) in counts.items():
        for label, count in (("bonafide", bona_fide), ("spoof", spoof)):
            attack = "A07" if label == "spoof" else "bonafide"
            for _ in range(count):
                number += 1
                yield f"LA_0009 LA_E_{number} alaw ita_tx {attack} {label} notrim {phase}\n"


def test_the_official_key_must_be_whole(write):
    """All 181,566 lines of it, and the 148,176 of its eval phase; one less is refused."""
    lines = list(numbered_la2021(trial_counts.ASVSPOOF2021_LA))
    assert len(lines) == 181_566
    table = read_key(write("".join(lines), "trial_metadata.txt"))
    assert len(table) == 148_176
    assert table["label"].value_counts().to_dict() == {"bonafide": 14_816, "spoof": 133_360}
    cut = next(place for place, line in enumerate(lines) if line.endswith(" eval\n"))
    with pytest.raises(KeyFileError, match="14,815 bona fide and 133,360 spoof trials of phase ev"):
        read_key(write("".join(lines[:cut] + lines[cut + 1 :]), "trial_metadata.txt"))


def test_a_part_of_a_key_may_be_read_by_another_name(write):
    with pytest.raises(KeyFileError, match="give a part of it another name"):
        read_key(write(LA2021, "trial_metadata.txt"))
    assert len(read_key(write(LA2021, "part.txt"))) == 2


def test_published_counts_add_up():
    """To the totals that the publishers state of the whole lists."""
    totals = {
        name: sum(map(sum, getattr(trial_counts, name).values()))
        for name in ("ASVSPOOF2019_LA", "ASVSPOOF2021_LA", "ASVSPOOF2021_DF", "ASVSPOOF5")
    }
    assert totals == {
        "ASVSPOOF2019_LA": 25_380 + 24_844 + 71_237,
        "ASVSPOOF2021_LA": 181_566,
        "ASVSPOOF2021_DF": 611_829,
        "ASVSPOOF5": 182_357 + 140_950 + 680_774,
    }


def test_one_bad_line_of_600_000_is_named(write):
    lines = [f"S T{i} - A07 spoof\n" for i in range(600_000)]
    lines[456_788] = "S T456788 - A07 spof\n"
    with pytest.raises(KeyFileError, match="line 456789: the label is 'spof'"):
        read_key(write("".join(lines)))


def test_memory_does_not_grow_with_the_key(write):
    def peak_bytes(count):
        path = write("".join(f"S T{i} - A07 spoof\n" for i in range(count)))
        tracemalloc.start()
        assert sum(1 for _ in iterate_key(path)) == count
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    peak_bytes(10)
    assert peak_bytes(20_000) < 1.5 * peak_bytes(2_000)


@pytest.mark.parametrize(
    "text",
    [
        "bonafide target 3\nbonafide nontarget -1\nA07 spoof 2\n",
        "- target 3\n- nontarget -1\n- spoof 2\n",
        "filename asv-score asv-label\nA 3 target\nB -1 nontarget\nC 2 spoof\n",
        (
            "S1 A alaw ita_tx bonafide target notrim eval 3\n"
            "S1 B alaw ita_tx bonafide nontarget notrim eval -1\n"
            "S1 B alaw ita_tx bonafide nontarget notrim progress -9\n"
            "S1 C alaw ita_tx A07 spoof notrim eval 2\n"
        ),
    ],
    ids=str,
)
def test_asv_scores(write, text):
    scores = read_asv_scores(write(text))
    assert (scores.target.tolist(), scores.nontarget.tolist(), scores.spoof.tolist()) == (
        *([3.0], [-1.0], [2.0]),
    )


@pytest.mark.parametrize(
    ("text", "trial_ids"),
    [
        ("filename asv-score asv-label\nA 3 target\nB -1 nontarget\nC 2 spoof\n", {*"ABC"}),
        ("A target 3\nB nontarget -1\nC spoof 2\n", {*"ABC"}),
        ("A,target,3\nB,nontarget,-1\nC,spoof,2\n", {*"ABC"}),
        ("A07 spoof 3\nbonafide nontarget -1\n- target 2\n- target 2\n", set()),
    ],
)
def test_asv_scores_know_their_recordings_where_they_are_named(write, text, trial_ids):
    assert read_asv_scores(write(text)).trial_ids == trial_ids


def test_asv_scores_of_the_2021_key_package(tmp_path):
    """The labels stand in another file, line by line; the eval phase is kept."""
    (tmp_path / "ASVTorch_Kaldi").mkdir()
    path = tmp_path / "ASVTorch_Kaldi" / "score.txt"
    path.write_text("S1 A 3\nS1 B -1\nS2 C 2\nS2 D 7\n")
    with pytest.raises(KeyFileError, match=r"trial_metadata\.txt is not there"):
        read_asv_scores(path)
    trials = ("S1 A", "S1 B", "S2 C", "S2 D")
    labels = ("target", "nontarget", "spoof", "target")
    phases = ("eval", "eval", "eval", "progress")
    lines = [
        f"{trial} alaw ita_tx - {label} notrim {phase}\n"
        for trial, label, phase in zip(trials, labels, phases, strict=True)
    ]
    (tmp_path / "trial_metadata.txt").write_text("".join(lines))
    assert read_asv_scores(path).target.tolist() == [3.0]
    assert read_asv_scores(path, "all").target.tolist() == [3.0, 7.0]
    (tmp_path / "trial_metadata.txt").write_text("".join(lines[1:]))
    with pytest.raises(KeyFileError, match="line 1: trial S1 A is not at the same place"):
        read_asv_scores(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "- target 3\n- impostor 2\n",
            "line 2: the label is 'impostor', but must be one of target",
        ),
        ("- target 3\n- spoof x\n", "line 2: the score 'x' is not a finite number"),
        ("- target 3\n- spoof nan\n", "line 2: the score 'nan' is not a finite number"),
        ("- target 3\n- spoof 1\n", "no scores of nontarget trials"),
        ("- target 3\n- spoof\n", "line 2: 2 columns, but the lines before have 3"),
        ("A 1.5\n", "line 1: 2 columns, but ASV scores have lines `attack label score`"),
        ("- target 3\n- spoof 1_0\n", "line 2: the score '1_0' is not a finite number"),
        ("- target 3.25\n- spoof 1.", r"line 2 \(the file ends.*may have lost digits of '1\.'"),
        ("A target 3\nB spoof 2\nA target 3\n", "line 3: A target 3 is there already, in line 1"),
        (
            "spk,filename,asv-score,asv-label\nS,A,3,target\nS,B,2,spoof\nS,A,4,target\n",
            "line 4: S A is there already, in line 2; keep one row of each trial",
        ),
        (
            "S A alaw x - target notrim eval 3\nS A alaw x - target notrim eval 4\n",
            "line 2: S A alaw x - target notrim eval is there already, in line 1",
        ),
    ],
)
def test_asv_scores_that_cannot_be_used(write, text, message):
    with pytest.raises(KeyFileError, match=message):
        read_asv_scores(write(text))


def test_the_official_codes_own_files_are_read(oracles):
    folder, _ = oracles
    key = read_key(folder / "metrics" / "gauss_2000_18000.key.txt")
    assert key["label"].value_counts().to_dict() == {"spoof": 18_000, "bonafide": 2_000}
    scores = read_asv_scores(folder / "metrics" / "asv.txt")
    assert len(scores.target) == 800
