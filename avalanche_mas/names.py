"""Names of parameters, whether or not the model is wrapped. Pure torch."""

from __future__ import annotations

from torch import nn

_COMPILED = "_orig_mod"
_PARALLEL = (nn.DataParallel, nn.parallel.DistributedDataParallel)


def unwrapped(model: nn.Module) -> nn.Module:
    """Return the model itself, without data parallelism and `torch.compile` around it."""
    while name := _name_inside(model):
        model = getattr(model, name)
    return model


def parameters_of(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters by the names that they have where nothing is wrapped.

    ``module.`` of data parallelism and ``_orig_mod.`` of `torch.compile` are left out of a name,
    at every depth, so that wrapping the model or a part of it changes no name.
    """
    parameters = dict(model.named_parameters())
    inside = [
        f"{path}.{name}".lstrip(".")
        for path, module in model.named_modules()
        if (name := _name_inside(module))
    ]
    for path in reversed(inside):  # from the inner wrapper to the outer one
        outside = path.rpartition(".")[0]
        parameters = {_moved(name, path, outside): p for name, p in parameters.items()}
    return parameters


def _name_inside(module: nn.Module) -> str | None:
    """Return the name that a wrapper gives to what it wraps; None if it is not a wrapper."""
    if _COMPILED in module._modules:
        return _COMPILED
    return "module" if isinstance(module, _PARALLEL) else None


def _moved(name: str, path: str, outside: str) -> str:
    """Return the name with another path at its beginning, where it begins with this one."""
    if not name.startswith(f"{path}."):
        return name
    return f"{outside}.{name.removeprefix(f'{path}.')}".lstrip(".")
