"""Files that go with a run."""

import json
from pathlib import Path

import pytest

from tests.logging.reading import log, only_records


def artifacts(folder):
    return [record.artifact for record in only_records(folder) if record.HasField("artifact")]


def paths(artifact):
    return sorted(entry.path for entry in artifact.manifest.contents)


def test_a_file_and_a_folder(tmp_path, quiet_logger):
    (tmp_path / "omega").mkdir()
    omega = tmp_path / "omega" / "task-1.safetensors"
    omega.write_bytes(b"importance")
    logger = quiet_logger()
    logger.log_artifact(omega, type="importance", metadata={"task": 1})
    omega.write_bytes(b"other")
    (tmp_path / "omega" / "more").mkdir()
    (tmp_path / "omega" / "more" / "note").write_text("a note")
    logger.log_artifact(tmp_path / "omega", "all", "importance")
    logger.close()
    first, second = artifacts(tmp_path)
    assert (first.name, first.type) == (omega.name, "importance")
    assert json.loads(first.metadata) == {"task": 1}
    assert (second.name, second.type) == ("all", "importance")
    assert paths(first) == [omega.name]
    assert paths(second) == ["more/note", omega.name]
    (entry,) = first.manifest.contents
    assert Path(entry.local_path).read_bytes() == b"importance"


def test_a_file_that_does_not_exist_is_refused(tmp_path, quiet_logger):
    logger = quiet_logger(params={"mode": "disabled"})
    with pytest.raises(FileNotFoundError, match="omega cannot be logged to wandb"):
        logger.log_artifact(tmp_path / "omega")


def test_disabled_runs_ignore_them(tmp_path, quiet_logger):
    (tmp_path / "omega").write_bytes(b"importance")
    logger = quiet_logger(params={"mode": "disabled"})
    logger.log_artifact(tmp_path / "omega")
    logger.close()
    assert [file.name for file in tmp_path.iterdir()] == ["omega"]


@pytest.mark.parametrize("log_artifacts", [True, False])
def test_weights_become_artifacts_when_asked(tmp_path, quiet_logger, log_artifacts):
    models = tmp_path / "models"
    logger = quiet_logger(log_artifacts=log_artifacts, path=models)
    log(logger, "WeightCheckpoint/train_phase/train_stream/Exp003", b"weights", 2)
    logger.close()
    logged = artifacts(tmp_path)
    if not log_artifacts:
        assert not logged
        assert not models.exists()
        return
    (artifact,) = logged
    assert (artifact.name, artifact.type) == ("Model_3", "model")
    assert [entry.path for entry in artifact.manifest.contents] == ["Models/Model_3.pth"]
    assert [file.name for file in models.iterdir()] == ["Model_3.pth"]
    assert (models / "Model_3.pth").read_bytes() == b"weights"


def test_artifacts_refer_to_external_storage(tmp_path, quiet_logger):
    bucket = tmp_path / "bucket.pth"
    bucket.write_bytes(b"stored elsewhere")
    logger = quiet_logger(log_artifacts=True, path=tmp_path / "models", uri=bucket.as_uri())
    log(logger, "WeightCheckpoint/train_phase/train_stream/Exp000", b"weights")
    logger.close()
    (artifact,) = artifacts(tmp_path)
    entries = {entry.path: entry.ref for entry in artifact.manifest.contents}
    assert entries == {"Models/Model_0.pth": "", "External/Model_0.pth": bucket.as_uri()}
