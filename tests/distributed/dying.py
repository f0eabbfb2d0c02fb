"""``torchrun dying.py FOLDER WHEN``: a process ends, and the others write down what they see."""

from __future__ import annotations

import os
import signal
import sys
import time
import warnings
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor, nn

from avalanche_mas import MASPlugin
from tests.distributed.script import net, rank
from tests.plugins.cases import strategy_for, task_incremental

SECONDS = 6


class Dies(SupervisedPlugin, supports_distributed=True):
    """Ends process 1 at the end of training."""

    def after_training_epoch(self, *_: Any, **__: Any) -> None:
        if rank() == 1:
            os.kill(os.getpid(), signal.SIGKILL)


def in_the_pass(model: nn.Module, x: Tensor) -> Tensor:
    if rank() == 1 and len(x) > 1:
        os._exit(3)
    return model(x)


def asleep(model: nn.Module, x: Tensor) -> Tensor:
    if rank() == 1 and len(x) > 1:
        time.sleep(1000)
    return model(x)


PLUGINS = {
    "before the pass": [Dies(), MASPlugin()],
    "in the pass": [MASPlugin(forward=in_the_pass)],
    "asleep": [MASPlugin(forward=asleep)],
}


def main(folder: Path, when: str) -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    # torchrun ends the others when it sees that one has died; here they have to see it themselves.
    signal.signal(signal.SIGTERM, signal.SIG_DFL if os.environ["RANK"] == "1" else signal.SIG_IGN)
    dist.init_process_group("gloo")
    group = dist.new_group(timeout=timedelta(seconds=SECONDS))  # once all have started
    model = nn.parallel.DistributedDataParallel(net(), process_group=group)
    began = time.monotonic()
    try:
        strategy_for(model, *PLUGINS[when]).train(task_incremental(2).train_stream)
    except Exception as error:
        seen = f"{time.monotonic() - began} {type(error).__name__} {error}"
        (folder / str(dist.get_rank())).write_text(seen, encoding="utf-8")
        raise


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
