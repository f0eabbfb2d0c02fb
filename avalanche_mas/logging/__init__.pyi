from .history import run_files as run_files
from .history import run_history as run_history
from .table import TableLogger as TableLogger
from .wandb_logger import WandBLogger as WandBLogger
