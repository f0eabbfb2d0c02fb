import pytest

from avalanche_mas.logging import WandBLogger
from tests.logging.server import serving


@pytest.fixture
def quiet_logger(tmp_path, capfd):
    """Makes offline loggers in `tmp_path`, and checks that nothing was printed."""
    loggers = []

    def make(**arguments):
        arguments = {"params": {"mode": "offline"}, "dir": tmp_path, "save_code": False} | arguments
        loggers.append(WandBLogger(**arguments))
        return loggers[-1]

    yield make
    for logger in loggers:
        logger.close()
    printed = capfd.readouterr()
    assert "wandb" not in printed.out + printed.err


@pytest.fixture
def server(monkeypatch):
    """A W&B server, the one that is used from here on."""
    with serving() as server:
        monkeypatch.setenv("WANDB_API_KEY", 40 * "a")
        monkeypatch.setenv("WANDB_BASE_URL", server.address)
        yield server


@pytest.fixture
def online_logger(tmp_path, monkeypatch):
    """Makes loggers in `tmp_path` whose runs go to a server, if there is one."""
    monkeypatch.setattr("avalanche_mas.logging.runs.PAUSE", 0.01)
    loggers = []

    def make(*, params=(), settings=(), **arguments):
        settings = {"silent": True, "finish_timeout": 60, **dict(settings)}
        params = {"mode": "online", "settings": settings, **dict(params)}
        loggers.append(WandBLogger(dir=tmp_path, save_code=False, params=params, **arguments))
        return loggers[-1]

    yield make
    for logger in loggers:
        logger.close()
