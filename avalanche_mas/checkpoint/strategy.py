"""The state of a strategy between two of its steps, as values that `codec` can write."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import torch
from avalanche.benchmarks.utils import AvalancheDataset
from avalanche.models.dynamic_modules import avalanche_model_adaptation
from avalanche.training.templates.update_type import MetaUpdate, SGDUpdate
from torch import Tensor, nn

from avalanche_mas.checkpoint.codec import CheckpointError, Decoder, Encoder
from avalanche_mas.checkpoint.network import fits, load_network, network_state
from avalanche_mas.checkpoint.randomness import random_states, set_random_states
from avalanche_mas.checkpoint.refused import refuse
from avalanche_mas.checkpoint.rooms import room_of
from avalanche_mas.checkpoint.samples import Samples
from avalanche_mas.checkpoint.store import Kept

Growth = list[dict[str, Any]]
"""What the model was adapted to, in order: classes, task labels, and whether it was in train mode."""


_OF_EVERY_STRATEGY = frozenset(
    (
        *("model", "device", "plugins", "experience", "is_training"),
        *("current_eval_stream", "_distributed_check", "_eval_streams", "optimizer"),
        *("train_epochs", "train_mb_size", "eval_mb_size", "retain_graph", "evaluator"),
        *("eval_every", "clock", "adapted_dataset", "dataloader", "mbatch", "_experiences"),
        *("mb_output", "loss", "_stop_training", "optimized_param_id"),
    )
)
"""Attributes of the templates: what is saved otherwise, arguments, and what a training makes anew."""


class Strategy:
    """A strategy, as far as its state goes.

    Args:
        strategy: The strategy, newly built.
        datasets: Those of the training stream, for samples in replay buffers.
        plugins: Its plugins, but for those that save checkpoints.
        skip: Plugins whose state is not saved, and not changed by loading.
        by_attributes: Plugins of any class that are saved by their attributes.

    Attributes:
        gpus: The number of GPUs of the process that saved the state that was loaded; None before.
    """

    def __init__(
        self,
        strategy: Any,
        datasets: Sequence[AvalancheDataset],
        plugins: Sequence[Any],
        skip: Collection[Any],
        by_attributes: Collection[Any],
    ) -> None:
        refuse(strategy, plugins, by_attributes)
        self.strategy, self.growth = strategy, Growth()
        self.gpus: int | None = None
        self._new_model: nn.Module | None = None
        self._data = Samples(datasets)
        self._plugins, self._skip, self._by_attributes = plugins, skip, by_attributes
        self._of_model: dict[int, tuple[str, Tensor]] = {}

    def note_growth(self) -> None:
        """Note what the model has been adapted to."""
        # joint training adapts it to all experiences
        for experience in getattr(self.strategy, "_experiences", [self.strategy.experience]):
            if getattr(experience, "access_task_boundaries", False):  # a piece of one
                experience = experience.origin_experience
            known = {
                name: sorted({int(each) for each in getattr(experience, name)})
                for name in ("classes_in_this_experience", "task_labels")
                if hasattr(experience, name)
            }
            step = {**known, "training": self.strategy.model.training}
            if step not in self.growth:
                self.growth.append(step)

    def save(self, more: Mapping[str, Any]) -> tuple[Any, dict[str, Tensor]]:
        """Return the state, and more beside it, as JSON and tensors.

        Raises:
            CheckpointError: The strategy or a plugin keeps what cannot be saved.
        """
        kept = [*self.strategy.plugins, self.strategy, self.strategy.optimizer]
        encoder = Encoder(self, kept, self._by_attributes)
        model = self.strategy.model
        self._of_model = {}
        content = encoder.encode(network_state(model), "model")
        self._of_model = {p.data_ptr(): (name, p) for name, p in model.named_parameters()}
        strategy = {
            "growth": encoder.encode(self.growth, "growth"),
            "model": content,
            "optimizer": encoder.encode(self._optimizer_state(), "optimizer"),
            "gradients": encoder.encode(self._gradients(), "gradients"),
            "plugins": [self._plugin_state(plugin, encoder) for plugin in self._plugins],
            "attributes": {
                name: encoder.encode(value, f"{type(self.strategy).__name__}.{name}")
                for name, value in vars(self.strategy).items()
                if name not in _OF_EVERY_STRATEGY
            },
            "random": encoder.encode(random_states(), "random"),
        }
        beside = {name: encoder.encode(value, name) for name, value in more.items()}
        return {"strategy": strategy, **beside}, encoder.tensors

    def decoded(self, kept: Kept, name: str) -> Any:
        """Return what was saved beside the state under a name."""
        return Decoder(self, kept.tensors).decode(kept.content[name])

    def load(self, content: Any, tensors: Mapping[str, Tensor], *, last: bool) -> None:
        """Go back to a state.

        Args:
            content: The state.
            tensors: Its tensors.
            last: Whether no other one is loaded after it.

        Raises:
            CheckpointError: It is not of such a strategy.
        """
        decoder = Decoder(self, tensors)
        model = self.strategy.model
        if self._new_model is None:
            self._new_model = copy.deepcopy(model)
        self.growth = decoder.decode(content["growth"])
        self._grow(model, self.growth)
        load_network(model, decoder.decode(content["model"]))
        self._load_optimizer(decoder.decode(content["optimizer"]))
        for name, gradient in decoder.decode(content["gradients"]).items():
            model.get_parameter(name).grad = gradient
        own = [room_of(type(plugin)) for plugin in self._plugins]
        if own != [kind for kind, _ in content["plugins"]]:
            raise CheckpointError(
                f"the checkpoint is of the plugins {', '.join(k for k, _ in content['plugins'])}, and the "
                f"strategy has {', '.join(own)}; build it as it was"
            )
        for plugin, (_, state) in zip(self._plugins, content["plugins"], strict=True):
            if state is not None and not self._skips(plugin):
                decoder.decode(state, plugin)
        for name, value in content["attributes"].items():
            vars(self.strategy)[name] = decoder.decode(value, vars(self.strategy).get(name))
        random = decoder.decode(content["random"])
        set_random_states(random)
        self.gpus = len(random["cuda"])
        if last:
            self._new_model = None

    def encode(self, value: Any, encoder: Encoder, where: str) -> Any:
        """Write a data set as the places of its samples, a model as its growth and state.

        A tensor in the memory of one of the model's parameters is written as the parameter's name.
        """
        if isinstance(value, Tensor):
            name, parameter = self._of_model.get(value.data_ptr(), ("", torch.empty(0)))
            same = parameter.numel() == value.numel() and parameter.is_contiguous()
            found = value.numel() and same and value.is_contiguous()
            return {"of_model": name, "shape": list(value.shape)} if found else None
        if isinstance(value, AvalancheDataset):
            return {"samples": encoder.add(self._data.places(value, where))}
        if isinstance(value, nn.Module):
            return {"model": encoder.encode(network_state(value), where)}
        return None

    def decode(self, content: Any, decoder: Decoder, live: Any) -> Any:
        """Read what `encode` has written."""
        if "samples" in content:
            return self._data.gather(decoder.tensors[content["samples"]])
        if "of_model" in content:
            parameter = self.strategy.model.get_parameter(content["of_model"])
            return parameter.detach().view(content["shape"])
        if "model" not in content:
            raise CheckpointError(f"the content is not that of a checkpoint: {str(content)[:80]}")
        state = decoder.decode(content["model"])
        new = self.strategy.model if self._new_model is None else self._new_model
        model = live if isinstance(live, nn.Module) else copy.deepcopy(new)
        for steps in range(len(self.growth) + 1):
            self._grow(model, self.growth[max(0, steps - 1) : steps])
            if fits(model, state["state"]):
                break
        load_network(model, state)
        return model.to(self.strategy.device)

    def _plugin_state(self, plugin: Any, encoder: Encoder) -> list[Any]:
        skipped = self._skips(plugin) or not vars(plugin)
        return [
            room_of(type(plugin)),
            None if skipped else encoder.encode_object(plugin, type(plugin).__name__),
        ]

    def _skips(self, plugin: Any) -> bool:
        return any(plugin is each for each in self._skip)

    def _grow(self, model: nn.Module, growth: Growth) -> None:
        training = model.training
        for step in growth:
            model.train(step["training"])
            seen = {name: each for name, each in step.items() if name != "training"}
            avalanche_model_adaptation(model, SimpleNamespace(**seen))
        model.train(training).to(self.strategy.device)

    def _gradients(self) -> dict[str, Tensor]:
        """Return the gradients that a loop of its own may add to in its next step."""
        loop = type(self.strategy).training_epoch
        if loop in (SGDUpdate.training_epoch, MetaUpdate.training_epoch):
            return {}
        parameters = self.strategy.model.named_parameters()
        return {name: p.grad for name, p in parameters if p.grad is not None}

    def _optimizer_state(self) -> dict[str, Any]:
        """Return the optimizer's state, and the names of its parameters.

        A layer that has grown since the last training has another parameter than the optimizer has: there
        Avalanche begins with an empty state.
        """
        optimizer, parameters = (
            self.strategy.optimizer,
            dict(self.strategy.model.named_parameters()),
        )
        known = self.strategy.optimized_param_id
        names = {id(p): name for name, p in (parameters if known is None else known).items()}
        for group in optimizer.param_groups:
            if any(names.get(id(p)) not in parameters for p in group["params"]):
                raise CheckpointError(
                    "the optimizer has parameters that are not the model's; make them part of the model"
                )
        held = [p for group in optimizer.param_groups for p in group["params"]]
        return {
            "names": [[names[id(p)] for p in group["params"]] for group in optimizer.param_groups],
            "state": optimizer.state_dict(),
            "changed": [names[id(p)] for p in held if parameters[names[id(p)]] is not p],
            "begun": known is not None,
        }

    def _load_optimizer(self, state: dict[str, Any]) -> None:
        optimizer = self.strategy.optimizer
        parameters = dict(self.strategy.model.named_parameters())
        if len(state["names"]) != len(optimizer.param_groups):
            raise CheckpointError(
                f"the checkpoint is of an optimizer with {len(state['names'])} groups of parameters, and "
                f"this one has {len(optimizer.param_groups)}; build it as it was"
            )
        optimizer.state.clear()
        for group, names in zip(optimizer.param_groups, state["names"], strict=True):
            group["params"] = [parameters[name] for name in names]
        optimizer.load_state_dict(state["state"])
        for name in state["changed"]:
            optimizer.state[parameters[name]] = {}
        # Avalanche resets an optimizer in its first training unless it knows its parameters.
        self.strategy.optimized_param_id = parameters if state["begun"] else None
