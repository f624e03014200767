"""The identity of scores: it changes with all that is between a file and its score."""

import ast
from importlib.util import find_spec
from pathlib import Path

import torch

from fakemamba.evaluation import provenance
from fakemamba.evaluation.manner import Manner


def imported(module, seen):
    """The modules of this package that a module needs, itself included; not what types are for."""
    try:
        spec = find_spec(module)
    except ModuleNotFoundError:  # a name within a module
        spec = None
    if module in seen or spec is None or spec.origin is None:
        return
    seen.add(module)
    for node in ast.walk(ast.parse(Path(spec.origin).read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fakemamba."):
            for name in (node.module, *(f"{node.module}.{one.name}" for one in node.names)):
                imported(name, seen)


def test_the_hash_is_of_all_code_from_a_file_to_its_score():
    needed = set()
    imported("fakemamba.evaluation.scoring", needed)
    hashed = {f"{package}.{name.removesuffix('.py')}" for package, name in provenance.SCORING_CODE}
    rooms = ("fakemamba.data.", "fakemamba.evaluation.", "fakemamba.models.", "fakemamba.baselines")
    missing = {
        module
        for module in needed
        if module.startswith(rooms)
        and not any(module.startswith(one.rstrip(".")) for one in hashed)
        and module != "fakemamba.data.trials"  # what a trial is called changes no score
    }
    assert not missing


def test_the_identity_names_what_decodes_and_whether_damage_is_allowed(tmp_path):
    checkpoint = tmp_path / "model.pth"
    checkpoint.write_bytes(b"weights")
    strict, allowed = (
        provenance.scoring_identity(checkpoint, "abc", manner, torch.device("cpu"))
        for manner in (Manner(), Manner(allow_damaged=True))
    )
    assert {name for name in strict if strict[name] != allowed[name]} == {"allow_damaged"}
    for library in ("soundfile", "libsndfile", "av", "libavcodec", "libavformat", "soxr", "numpy"):
        assert f"{library} " in strict["audio_libraries"]
