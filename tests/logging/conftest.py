import pytest

from avalanche_mas.logging import WandBLogger
from tests.logging.server import KEY, serving


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
    printed = "".join(capfd.readouterr()).splitlines()
    # wandb before 0.31 says so of every run that goes on offline
    assert not [line for line in printed if "wandb" in line and "`resume` will be" not in line]


@pytest.fixture
def server():
    """A W&B server."""
    with serving() as server:
        yield server


@pytest.fixture
def online_logger(tmp_path, monkeypatch):
    """Makes loggers in `tmp_path` whose runs go to the server with this address."""
    monkeypatch.setattr("avalanche_mas.logging.runs.PAUSE", 0.01)
    loggers = []

    def make(address, *, finish_timeout=60, key=KEY, params=(), **arguments):
        settings = {"silent": True, "finish_timeout": finish_timeout}
        settings |= {"base_url": address, "api_key": key}
        params = {"mode": "online", "settings": settings, **dict(params)}
        loggers.append(WandBLogger(dir=tmp_path, save_code=False, params=params, **arguments))
        return loggers[-1]

    yield make
    for logger in loggers:
        logger.close()
