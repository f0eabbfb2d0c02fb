"""Ways to damage a file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

_HUGE = (0x7F, 0xFF)
_NUMBERS = ("9" * 30, "9" * 5000, "1e999", "-1", "4294967296", "9223372036854775807")
_DEPTHS = (30, 100, 300, 900, 5000, 100_000)
_CONTROL = ("\x1b[2J", "\n", "\r", "\0", "\x9b", "\u202e", "\udcff")
_VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 0.5, 10**30, 1e300, float("nan"), float("inf")),
    *("", "text", "\x1b[2J", [], [[]], [None], {}, {"a": 1}),
)
_HOLE = "\x02hole\x02"
"""A text that is put in a place of a JSON file first, and then replaced in the file's text."""


def cut(content: bytes, random: Random) -> bytes:
    """End too early."""
    return content[: random.randrange(len(content))]


def flip(content: bytes, random: Random) -> bytes:
    """Flip one bit, or a few."""
    found = bytearray(content)
    for _ in range(random.choice((1, 1, 1, 2, 8))):
        found[random.randrange(len(found))] ^= 1 << random.randrange(8)
    return bytes(found)


def insert(content: bytes, random: Random) -> bytes:
    """Put bytes in, random ones or a piece of the file."""
    place, piece = random.randrange(len(content) + 1), random.randrange(len(content))
    new = random.choice((random.randbytes(random.randint(1, 9)), content[piece : piece + 64]))
    return content[:place] + new + content[place:]


def remove(content: bytes, random: Random) -> bytes:
    """Leave bytes out."""
    place = random.randrange(len(content))
    return content[:place] + content[place + random.choice((1, 2, 16, 100)) :]


def empty(_: bytes, __: Random) -> bytes:
    """Leave everything out."""
    return b""


def sizes(content: bytes, random: Random) -> bytes:
    """Declare a huge size, or write a huge number."""
    if content[257:262] == b"ustar":
        return _tar_size(content, random)
    text = _text(content)
    numbers = list(re.finditer(r"\d+(\.\d+)?", text)) if text else []
    if numbers:
        start, end = random.choice(numbers).span()
        return (text[:start] + random.choice(_NUMBERS) + text[end:]).encode()
    width, step = random.choice(((4, 4), (8, 8), (4, 1), (2, 2)))
    place = random.randrange(0, max(1, min(len(content), 400)), step)
    size = random.choice(_HUGE).to_bytes(1, "little") + b"\xff" * (width - 1)
    return content[:place] + random.choice((size, size[::-1])) + content[place + width :]


def _tar_size(content: bytes, random: Random) -> bytes:
    """Declare a huge size of a tar's member, with the right checksum."""
    headers = [k for k in range(0, len(content), 512) if content[k + 257 : k + 262] == b"ustar"]
    start = random.choice(headers)
    header = bytearray(content[start : start + 512])
    header[124:136] = random.choice((b"77777777777\0", b"\x80" + b"\0" * 3 + b"\x7f" + b"\xff" * 7))
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return content[:start] + header + content[start + 512 :]


def nesting(content: bytes, random: Random) -> bytes | None:
    """Nest deeply: in a place of JSON, or in a text."""
    depth, (opening, closing) = random.choice(_DEPTHS), random.choice((("[", "]"), ('{"a":', "}")))
    deep = opening * depth + random.choice(("0", "[]")) + closing * depth
    if _json(content) is not None:
        in_text = json.dumps(deep)
        return _in_json(content, random, _HOLE, random.choice((deep, in_text)))
    text = _text(content)
    if not text:
        return None
    place = random.choice([m.end() for m in re.finditer(r"[>\[\s]|$", text)])
    new = "<a>" * depth + "</a>" * depth if "<" in text else deep
    return (text[:place] + new + text[place:]).encode()


def types(content: bytes, random: Random) -> bytes | None:
    """Put a value of another type in a place of JSON."""
    return _in_json(content, random, random.choice(_VALUES))


def control(content: bytes, random: Random) -> bytes | None:
    """Put control characters in a text."""
    text, new = _text(content), random.choice(_CONTROL)
    if _json(content) is not None and random.random() < 0.5:
        return _in_json(content, random, f"a{new}b")
    if not text:
        return None
    place = random.randrange(len(text) + 1)
    return (text[:place] + new + text[place:]).encode(errors="surrogateescape")


def folder(_: bytes, __: Random) -> None:
    """Stand for a folder with the file's name."""


Mutation = Callable[[bytes, Random], bytes | None]
MUTATIONS: dict[str, Mutation] = {
    mutation.__name__: mutation
    for mutation in (cut, flip, insert, remove, empty, sizes, nesting, types, control, folder)
}


def _text(content: bytes) -> str:
    """Return the content as text; an empty one if it is binary."""
    try:
        return "" if b"\0" in content else content.decode()
    except UnicodeDecodeError:
        return ""


def _json(content: bytes) -> Any:
    """Return the JSON of a JSON file or of the header of a safetensors file, else None."""
    size = int.from_bytes(content[:8], "little")
    try:
        return json.loads(content[8 : 8 + size] if _has_header(content) else content)
    except ValueError:
        return None


def _has_header(content: bytes) -> bool:
    """Return whether this is a safetensors file: the header's size, then the header."""
    return content[7:9] == b"\0{"


def _in_json(content: bytes, random: Random, new: Any, text: str = "") -> bytes | None:
    """Return the content with a new value, or the text of one, in a random place of its JSON."""
    found = _json(content)
    if not isinstance(found, dict | list):
        return None
    places = list(_places(found))
    texts = [(holder, key) for holder, key in places if _is_json_text(holder[key])]
    if texts and random.random() < 0.8:  # JSON in a text
        holder, key = random.choice(texts)
        inner = _in_json(holder[key].encode(), random, new, text)
        holder[key] = inner.decode() if inner is not None else new
    else:
        holder, key = random.choice(places)
        holder[key] = new
    changed = json.dumps(found).replace(json.dumps(_HOLE), text).encode()
    if not _has_header(content):
        return changed
    size = int.from_bytes(content[:8], "little")
    return len(changed).to_bytes(8, "little") + changed + content[8 + size :]


def _is_json_text(value: Any) -> bool:
    return isinstance(value, str) and value[:2] in ('{"', '["', "[{")


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every place in JSON, as what it is in and its key there."""
    keys = list(value) if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])
