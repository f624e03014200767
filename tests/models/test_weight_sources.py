"""The table of published weights: its form, and what it refers to is there."""

import inspect
import re
import shlex

import pytest

from fakemamba.analysis.published import read_published
from fakemamba.models import weight_sources as module
from fakemamba.models.official import convert_official
from fakemamba.models.registry import DETECTORS, family_name
from fakemamba.models.weight_sources import weight_source, weight_sources, without_weights

SOURCES = weight_sources()
WITHOUT_RATES = {f"AntiDeepfake {one}" for one in ("W2V-Large", "XLS-R-1B-NDA", "HuBERT-XL-NDA")}


def test_every_detector_has_weights_or_the_reason_why_not():
    with_weights = {source.detector for source in SOURCES.values()}
    told = with_weights | without_weights().keys()
    ours = {name for name in DETECTORS if DETECTORS[name].is_ours}
    missing = [name for name in ours if name not in told and name not in SOURCES]
    assert not [name for name in missing if family_name(name) not in told]
    known = ours | {family_name(name) for name in ours}
    assert told <= known
    for name in with_weights:
        assert DETECTORS[name].load().official_keys, f"{name} has no official checkpoints"


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_what_a_source_says_can_be_used(source):
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", source.name)
    assert source.page.startswith("https://") and " " not in source.page
    assert not source.hub or re.fullmatch(r"[\w.-]+/[\w.-]+", source.hub)
    assert all("/" not in name for name in source.files)
    assert re.fullmatch("([0-9a-f]{40})?", source.revision) and (source.hub or not source.revision)
    assert source.sha256.keys() <= {*source.files}
    assert all(re.fullmatch("[0-9a-f]{64}", sha256) for sha256 in source.sha256.values())
    assert source.options.keys() <= inspect.signature(convert_official).parameters.keys()
    words = shlex.split(source.convert_command())
    assert words[:2] == ["fakemamba", "convert"] and words[-2:] == ["--out", source.name]


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_error_rates_that_it_refers_to_are_published(source):
    published = read_published()
    rates = published[published["metric"] == "EER"]
    for system, data_sets in source.printed.items():
        if system not in WITHOUT_RATES:
            known = {*rates[rates["system"] == system]["data_set"]}
            assert known and {*data_sets} <= known, system
        else:
            assert system not in {*rates["system"]}


def test_those_that_are_not_for_commercial_use_say_so_and_the_others_do_not():
    for source in SOURCES.values():
        is_loud = "NOT FOR COMMERCIAL USE" in source.terms
        assert is_loud == (source.commercial == "no")
        assert is_loud or not re.search(r"\bNC\b|non-commercial", source.licence)
    assert weight_source("antideepfake-mms-300m").commercial == "no"
    assert weight_source("xlsr-mamba-la").terms == "MIT"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("MIT", "1"), None),
        (('licence = "MIT"', "licence = 1"), "licence: should be a valid string"),
        (('commercial = "yes"', 'commercial = "maybe"'), "commercial: should be 'yes', 'no'"),
        (('hub = "AustinXiao/XLSR-Mamba-LA"', ""), "or else at an address"),
        (('name = "xlsr-mamba-df"', 'name = "xlsr-mamba-la"'), "has xlsr-mamba-la twice"),
        (("parameters", "parametres"), "parametres: there is no such field"),
    ],
    ids=str,
)
def test_a_table_of_another_form_is_refused(change, message, tmp_path, monkeypatch):
    text = module.TABLE.read_text().replace(*change)
    (tmp_path / "changed.toml").write_text(text)
    monkeypatch.setattr(module, "TABLE", tmp_path / "changed.toml")
    if message is None:
        assert weight_sources()["xlsr-mamba-la"].licence == "1"
        return
    with pytest.raises(ValueError, match=message) as caught:
        weight_sources()
    assert str(caught.value).startswith("changed.toml")
