"""How the plugins' options are shown."""

from __future__ import annotations

from typing import TypeVar

Class = TypeVar("Class", bound=type)


def shows_plain_types(cls: Class) -> Class:
    """Let `help` and `inspect.signature` of a dataclass show `T` where a field is `InitVar[T]`."""
    annotations = cls.__init__.__annotations__  # type: ignore[misc]
    for name, shown in annotations.items():
        if isinstance(shown, str) and shown.startswith("InitVar["):
            annotations[name] = shown.removeprefix("InitVar[").removesuffix("]")
    return cls
