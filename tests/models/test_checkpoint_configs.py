"""A checkpoint's config.json, field by field: the detector that it says, or an error, always."""

import json
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakemamba import create_detector, from_pretrained, list_detectors, save_pretrained
from fakemamba.models.frontend import FRONTEND_SIZES, FrontendConfig
from fakemamba.models.frontends.config import LATER_FIELDS
from fakemamba.models.weight_files import CheckpointError

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases" / "fuzzed"


FRONTEND = FrontendConfig("tiny", 64, 1, 4, 64, conv_channels=8)


@pytest.fixture(scope="module", params=["fake-mamba", "xlsr-conformer-tcm", "xlsr-mamba"])
def folder(request, tmp_path_factory):
    """A small detector's folder; ``config.json`` is for tests to write."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp(request.param)
    save_pretrained(create_detector(request.param, FRONTEND, depth=2), folder)
    (folder / "config.json").rename(folder / "original.json")
    return folder


def original(folder):
    return json.loads((folder / "original.json").read_text())


def read(folder, content):
    """The detector, or the message of an error, which has to be fit to be read."""
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / "config.json").write_text(text)
    try:
        return from_pretrained(folder)
    except CheckpointError as error:
        message = str(error)
    assert str(folder) in message and message.isprintable() and len(message) < 1000
    return message


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("depth", 10**12, r"config\.json, depth: should be less than or equal to 1000"),
        ("depth", -1, "depth: should be greater than or equal to [01], but is -1"),
        ("depth", True, "depth: should be a valid integer, but is True"),
        ("depth", 4.0, "depth: should be a valid integer, but is 4.0"),
        ("depth", float("nan"), "depth: should be a valid integer, but is nan"),
        ("depth", "", "depth: should be a valid integer, but is ''"),
        ("depth", 999, "depth: is 999, but model.safetensors has no more than . layers"),
        ("width", [[1]], r"width: should be a valid integer, but is \[\[1\]\]"),
        ("width", 60_000, "width: is 60000, but model.safetensors .* no tensor wider than"),
        ("frontend", 10**30, "frontend: should be"),
        ("frontend.hidden_size", 1e308, "frontend.hidden_size: should be a valid integer"),
        ("frontend.num_layers", 900, "frontend.num_layers: is 900"),
        ("frontend.num_heads", 7, "width 64 cannot be split into 7 heads"),
        ("frontend.position_groups", 7, "cannot be split into 7 groups"),
        ("frontend.position_kernel", -2, "frontend.position_kernel: should be greater"),
        ("frontend.attention", "flash", "'flash' is not one of sdpa, eager"),
        ("frontend.name", 3, "frontend.name: should be a valid string"),
        ("frontend.odd", 3, "frontend.odd: there is no such field"),
        ("format", [1], r"format \[1\], but this version reads 1"),
        ("format", True, "format True, but"),
        ("detector", -1, "detector: should be the name of one, but is -1"),
        ("detector", ["fake-mamba"], "detector: should be the name of one"),
        ("detector", "fake-mumba", "detector: unknown detector 'fake-mumba'; did you mean fake-m"),
        ("detector", "x" * 10**6, "detector: unknown detector 'xxx"),
        ("detector", "xlsr-aasist", "there is no such field"),
    ],
)
def test_a_wrong_field_is_named_with_what_it_has_to_be(folder, field, value, told):
    content = original(folder)
    *outer, name = field.split(".")
    (content[outer[0]] if outer else content)[name] = value
    found = read(folder, content)
    assert isinstance(found, str)
    with pytest.raises(CheckpointError, match=told):
        raise CheckpointError(found)


def test_every_field_has_to_be_there(folder):
    content = original(folder)
    for name in content:
        left = {key: value for key, value in content.items() if key != name}
        assert name in read(folder, left).replace("should be the name of one", "detector")
    for name in content["frontend"]:
        left = {key: value for key, value in content["frontend"].items() if key != name}
        assert f"frontend.{name}: it is missing" in read(folder, content | {"frontend": left})


@pytest.mark.parametrize("text", ["", "{", "[1]", "[" * 10**5, '{"format": 1' + "0" * 9999 + "}"])
def test_what_is_no_object_of_json_is_refused(folder, text):
    assert str(folder / "config.json") in read(folder, text)


def test_the_cases_that_were_found_are_errors_of_one_line(folder):
    cases = sorted(CASES.glob("config-*.json"))
    if not cases:
        pytest.skip(f"no cases at {CASES}")
    for case in cases:
        assert isinstance(read(folder, case.read_text()), str), case


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.just(10**30),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=5,
)


@st.composite
def mutated(draw, content):
    """Some fields with other values, left out, or added; at times a likely value of another."""
    content = json.loads(json.dumps(content))
    values = [*content.values(), *content["frontend"].values(), *list_detectors(), 0, -1, 2, 10**12]
    values = json.loads(json.dumps(values))
    for _ in range(draw(st.integers(1, 2))):
        within = draw(st.sampled_from([content, content.get("frontend")]))
        within = within if isinstance(within, dict) else content
        name = draw(st.sampled_from([*within, "odd"]))
        if draw(st.booleans()):
            within[name] = draw(JSON | st.sampled_from(values))
        else:
            within.pop(name, None)
    return content


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_configuration_is_the_detector_that_it_says_or_an_error(folder, data):
    content = data.draw(mutated(original(folder)))
    found = read(folder, content)
    if not isinstance(found, str):
        wanted = {key: value for key, value in content.items() if key not in ("format", "detector")}
        for group in LATER_FIELDS:
            if not group.keys() & wanted["frontend"].keys():
                wanted["frontend"] |= group
        for one in fields(found.config):
            if "later" in one.metadata:
                wanted.setdefault(one.name, one.default)
        assert asdict(found.config) == wanted
        assert json.dumps(asdict(found.config)) == json.dumps(wanted)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"depth": -1}, "depth: should be greater than or equal to 0, but is -1"),
        ({"depth": 10**12}, "depth: should be less than or equal to 1000"),
        ({"depth": "4"}, "depth: should be a valid integer, but is '4'"),
        ({"norms": 1}, "norms: should be a valid boolean, but is 1"),
    ],
)
def test_options_in_python_are_checked_by_the_same_rules(options, told):
    with pytest.raises(ValueError, match=told):
        create_detector("fake-mamba", "xls-r-tiny", device="meta", **options)


def test_a_front_end_of_another_family_has_all_fields_in_the_file_or_is_refused(tmp_path):
    chosen = replace(FRONTEND_SIZES["wavlm-tiny"], output="weighted", waveform="utterance")
    saved = create_detector("xlsr-mamba", chosen, depth=1)
    save_pretrained(saved, tmp_path)
    assert from_pretrained(tmp_path).config == saved.config
    content = json.loads((tmp_path / "config.json").read_text())
    for name in LATER_FIELDS[0]:
        left = {key: value for key, value in content["frontend"].items() if key != name}
        assert f"frontend.{name}: it is missing" in read(tmp_path, content | {"frontend": left})
    for name, value in (("family", "hubert"), ("output", "odd"), ("conv_bias", 1)):
        changed = content["frontend"] | {name: value}
        assert isinstance(read(tmp_path, content | {"frontend": changed}), str)
