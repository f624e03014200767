"""What happens to files: bits flip, transfers are cut, people edit; each change by a seed alone."""

import json
import math

from tests.places import places

ODD_TEXTS = (
    *("", " ", "0", "-1", "1_0", "١٢", "0x10", "nan", "-inf", "1e400", "1e-400", "9" * 400),
    *("true", "None", '"', "'", ",", "\t", "\0", "\r", "\ufeff", "\x1b[31m", "[red]", "=1+1"),
    *("../x", "é", "🦇", "x" * 5000),
)
ODD_VALUES = (
    *(None, True, False, 0, 1, -1, 2, 10**12, -(10**30), 10**400, 0.5, -0.0, 1e308, math.nan),
    *(math.inf, "", "x", "1", "[red]", "\x1b[31m", [], [0], [[]], {}, {"x": 1}, [None] * 3),
)


def changed_bytes(content, rng):
    """Some bytes changed, lost, doubled or put in; returns what was done, and the bytes."""
    content, size = bytearray(content), len(content)
    at = rng.randrange(size)
    span = min(size - at, rng.choice((1, 2, 4, 8, 64, 1024)))
    kind = rng.choice(("bit", "byte", "cut", "lost", "zeros", "doubled", "noise", "number", "more"))
    if kind == "bit":
        content[at] ^= 1 << rng.randrange(8)
    elif kind == "byte":
        content[at] = rng.randrange(256)
    elif kind == "cut":
        del content[at:]
    elif kind == "lost":
        del content[at : at + span]
    elif kind == "zeros":
        content[at : at + span] = bytes(span)
    elif kind == "doubled":
        content[at:at] = content[at : at + span]
    elif kind == "noise":
        content[at:at] = rng.randbytes(span)
    elif kind == "number":
        content[at : at + 4] = rng.choice((0xFFFFFFFF, 0x7FFFFFFF, 0, 1)).to_bytes(4, "little")
    else:
        content += rng.randbytes(span)
    return kind, bytes(content)


def changed_text(content, rng):
    """A word, line or column of a text changed, lost or doubled."""
    if rng.random() < 0.2:
        return changed_bytes(content, rng)
    lines = content.decode().splitlines(keepends=True)
    at = rng.randrange(len(lines))
    kind = rng.choice(
        ("word", "word", "word", "lost", "doubled", "swapped", "column", "joined", "odd line")
    )
    words = lines[at].rstrip("\n").replace(",", " , ").split(" ")
    if kind == "word":
        words[rng.randrange(len(words))] = rng.choice(ODD_TEXTS)
    elif kind == "column":
        words = words[:-1] if rng.random() < 0.5 else [*words, "1"]
    if kind in ("word", "column"):
        lines[at] = " ".join(words).replace(" , ", ",") + "\n"
    elif kind == "lost":
        del lines[at]
    elif kind == "doubled":
        lines.insert(rng.randrange(len(lines)), lines[at])
    elif kind == "swapped":
        other = rng.randrange(len(lines))
        lines[at], lines[other] = lines[other], lines[at]
    elif kind == "joined":
        lines[at] = lines[at].rstrip("\n")
    else:
        lines.insert(at, rng.choice(ODD_TEXTS) + "\n")
    return kind, "".join(lines).encode()


def changed_json(content, rng):
    """A value of JSON, or of one of its lines, replaced by another, taken out or put in."""
    if rng.random() < 0.2:
        return changed_bytes(content, rng)
    lines = content.decode().splitlines()
    number = rng.randrange(len(lines))
    try:  # lines of JSON, or all is one
        value = json.loads(lines[number])
    except ValueError:
        number, value = None, json.loads(content)
    place = rng.choice(list(places(value)))
    kind = rng.choice(("value", "value", "value", "lost", "more", "deep"))
    odd = json.loads("[" * 500 + "]" * 500) if kind == "deep" else rng.choice(ODD_VALUES)
    if not place:
        value = odd
    else:
        parent = value
        for key in place[:-1]:
            parent = parent[key]
        if kind == "lost":
            del parent[place[-1]]
        elif kind == "more" and isinstance(parent, dict):
            parent["surplus"] = odd
        else:
            parent[place[-1]] = odd
    text = json.dumps(value)
    if number is not None:
        lines[number] = text
        text = "\n".join(lines)
    return f"{kind} at {'.'.join(map(str, place)) or 'the top'}", (text + "\n").encode()
