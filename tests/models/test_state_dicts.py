"""State dicts of anybody's are a module's exactly, or an error that names the tensors."""

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from fakemamba.models.state_dicts import CheckpointError, load_exactly, plain_state


class Model(nn.Module):
    """What front-ends and detectors have: weight norm, a linear layer, an integer counter."""

    def __init__(self):
        super().__init__()
        self.conv = weight_norm(nn.Conv1d(2, 4, 3), dim=2)
        self.norm = nn.BatchNorm1d(4)
        self.head = nn.Linear(4, 2)


@pytest.fixture
def state():
    torch.manual_seed(0)
    return {key: value.clone() for key, value in Model().state_dict().items()}


def load(content):
    with torch.device("meta"):
        model = Model()
    load_exactly(model, plain_state(content, "x.pth"), "x.pth")
    return model.state_dict()


def old_names(state):
    for new, old in (("original0", "weight_g"), ("original1", "weight_v")):
        state = {key.replace(f"parametrizations.weight.{new}", old): state[key] for key in state}
    return state


def prefixed(prefix):
    return lambda state: {prefix + key: value for key, value in state.items()}


@pytest.mark.parametrize(
    "change",
    [
        *map(prefixed, ("module.", "_orig_mod.", "_orig_mod.module.", "module._orig_mod.")),
        *map(prefixed, ("_fsdp_wrapped_module.", "model.", "net.detector.")),
        lambda state: {k.replace(".", "._checkpoint_wrapped_module."): state[k] for k in state},
        old_names,
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": state, "optimizer": {"state": {}}},
        lambda state: {"model_state_dict": prefixed("module.")(state), "epoch": 3},
        lambda state: {k: nn.Parameter(v, v.is_floating_point()) for k, v in state.items()},
        lambda state: {k: v.int() if v.ndim == 0 else v for k, v in state.items()},
    ],
)  # fmt: skip
def test_the_way_it_was_saved_does_not_matter(state, change):
    found = load(change(state))
    assert list(found) == list(state)
    for key, value in state.items():
        assert torch.equal(found[key], value) and found[key].dtype == value.dtype


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_every_precision_loads_as_fp32(state, dtype):
    cast = {key: v.to(dtype) if v.is_floating_point() else v for key, v in state.items()}
    found = load(cast)
    for key, value in cast.items():
        assert torch.equal(found[key], value.to(state[key].dtype))
        assert found[key].dtype == state[key].dtype


def without(key):
    return lambda state: {name: value for name, value in state.items() if name != key}


@pytest.mark.parametrize(
    ("change", "told"),
    {
        "missing": (without("head.bias"), r"missing head\.bias \(2,\)"),
        "surplus": (lambda s: s | {"odd": torch.ones(3)}, r"surplus odd \(3,\)"),
        "misshapen": (
            lambda s: s | {"head.bias": torch.ones(3)},
            r"misshapen head\.bias: \(3,\), should be \(2,\)",
        ),
        "integers": (
            lambda s: s | {"head.bias": torch.ones(2, dtype=torch.int64)},
            r"of another kind head\.bias: int64, should be float32",
        ),
        "truth values": (
            lambda s: s | {"norm.num_batches_tracked": torch.tensor(True)},
            "num_batches_tracked: bool, should be int64",
        ),
        "complex": (
            lambda s: s | {"head.bias": torch.ones(2, dtype=torch.complex64)},
            "complex64, should be float32",
        ),
        "float counter": (
            lambda s: s | {"norm.num_batches_tracked": torch.tensor(1.0)},
            "num_batches_tracked: float32, should be int64",
        ),
        "nan": (lambda s: s | {"head.bias": torch.tensor([0, torch.nan])}, r"NaN.*head\.bias"),
        "inf": (lambda s: s | {"head.bias": torch.tensor([0, torch.inf])}, r"NaN.*head\.bias"),
        "too large for fp32": (
            lambda s: s | {"head.bias": torch.tensor([0, 1e300], dtype=torch.float64)},
            r"NaN or infinite.*head\.bias",
        ),
        "both spellings": (lambda s: s | old_names(s), "weight.original0 twice.*weight_g"),
        "two prefixes": (lambda s: s | prefixed("module.")(s), "twice, as .* and as module"),
        "several models": (lambda s: {"model": s, "state_dict": s}, "several state dicts"),
        "no tensors": (lambda s: s | {"epoch": 3}, "not a plain state dict: epoch hold no"),
        "a list": (lambda s: list(s.items()), "holds a list, not a state dict"),
        "nothing": (lambda s: {}, "holds nothing"),
        "sparse": (lambda s: s | {"head.weight": s["head.weight"].to_sparse()}, "not a dense"),
        "meta": (lambda s: s | {"head.weight": s["head.weight"].to("meta")}, "not a dense"),
        "expanded": (
            lambda s: s | {"head.weight": torch.ones(1).expand(10**9, 10**9)},
            "not a dense tensor with all its values",
        ),
        "names of control characters": (
            lambda s: s | {"\x1b[31m\n": torch.ones(1)},
            r"surplus \\x1b\[31m\\n \(1,\)",
        ),
        "many": (lambda s: {"odd": torch.ones(1)}, "missing .* and 5 more; surplus odd"),
    }.values(),
)  # fmt: skip
def test_what_is_not_the_modules_is_named_on_one_line(state, change, told):
    with pytest.raises(CheckpointError, match=told) as caught:
        load(change(state))
    message = str(caught.value)
    assert message.startswith("x.pth ") or message.startswith("x.pth: ")
    assert message.isprintable() and len(message) < 700


def test_a_dict_that_holds_itself_is_refused(state):
    state["model"] = state
    with pytest.raises(CheckpointError, match="not a plain state dict: model"):
        load(state)


def test_finite_weights_whose_sum_is_not_are_taken(state):
    state["head.weight"] = torch.full((2, 4), 3e38)
    assert torch.equal(load(state)["head.weight"], state["head.weight"])
