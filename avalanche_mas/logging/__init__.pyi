from .history import run_files as run_files
from .history import run_history as run_history
from .names import section_name as section_name
from .table import TableLogger as TableLogger
from .tensorboard_logger import TensorboardLogger as TensorboardLogger
from .wandb_logger import WandBLogger as WandBLogger
