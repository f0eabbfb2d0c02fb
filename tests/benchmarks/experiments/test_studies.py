"""What the runs of some experiments do besides training: their data, counts and comparisons."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from avalanche_mas.importance import global_importance
from avalanche_mas.streams import TaskBenchmark
from benchmarks.experiments.studies.adaptation import choose_half, meeting_only
from benchmarks.experiments.studies.local_vs_global import BINS, QUANTILES, compare
from benchmarks.record.schema import RESULT
from benchmarks.run.job import Job
from benchmarks.run.learner import Learner
from benchmarks.run.runner import run

MakeJob = Callable[..., Job]

# --- adaptation ---


def test_half_of_the_classes_is_chosen_by_the_seed() -> None:
    chosen = [choose_half(7, seed) for seed in range(20)]
    assert chosen == [choose_half(7, seed) for seed in range(20)]
    assert {len(set(half)) for half in chosen} == {3}
    assert {label for half in chosen for label in half} == set(range(7))


def test_only_the_chosen_classes_are_met(stream: TaskBenchmark) -> None:
    before = [list(experience.dataset.targets) for experience in stream.valid_stream]
    cut = meeting_only(stream, [0, 2])
    met, other = (list(experience.dataset.targets) for experience in cut.valid_stream)
    assert met == [label for label in before[0] if label in (0, 2)]
    assert other == before[1]
    for part in ("train", "test"):
        for ours, theirs in zip(cut.streams[part], stream.streams[part], strict=True):
            assert list(ours.dataset.targets) == list(theirs.dataset.targets)
    assert [list(experience.dataset.targets) for experience in stream.valid_stream] == before
    assert cut.class_names == stream.class_names


def learn_one(job: Job, stream: TaskBenchmark) -> Learner:
    learner = Learner(job.settings, job.weights, stream)
    learner.learn(learner.parts[0])
    return learner


def images(stream: TaskBenchmark, part: str, classes: set[int]) -> list[torch.Tensor]:
    data = stream.streams[part][0].dataset.eval()
    return [x[None] for x, label, *_ in data if int(label) in classes]


@pytest.mark.parametrize("variant", ["train", "subset", "train, then subset"])
def test_importance_is_that_of_the_images_that_are_meant(
    variant: str, make_job: MakeJob, stream: TaskBenchmark
) -> None:
    learner = learn_one(make_job("mas", experiment="adaptation", importance_on=variant), stream)
    subset = set(choose_half(3, 0))
    meant = images(stream, "train", {0, 1, 2}) if variant.startswith("train") else []
    meant += images(stream, "valid", subset) if variant.endswith("subset") else []
    model = learner.strategy.model
    expected = global_importance(model, meant, forward=lambda net, x: net(x, 0))
    importance = learner.plugins[0].importance
    assert importance.keys() == expected.keys()
    for name, omega in expected.items():
        rounding = 1e-5 * float(omega.max())  # of batches in float32, where gradients cancel
        torch.testing.assert_close(importance[name], omega, rtol=1e-4, atol=rounding)


def test_counts_of_the_classes_add_up_to_the_accuracies(
    make_job: MakeJob, stream: TaskBenchmark
) -> None:
    job = make_job("mas", experiment="adaptation", importance_on="subset", seed=1)
    result = run(job, say=lambda _: None, stream=stream)
    first = json.loads((job.folder / RESULT).read_text())["first_task"]
    assert first == result["first_task"]
    assert first["samples"] == [4, 4, 4]
    assert first["subset"] == choose_half(3, 1)
    assert first["unlabelled"] == 4 * len(first["subset"])
    assert len(first["correct"]) == 2
    for correct, accuracy in zip(first["correct"], result["accuracy"], strict=True):
        assert sum(correct) / 12 == pytest.approx(accuracy[0])


def test_refinement_counts_as_the_method_and_its_data_as_no_memory_of_it(
    make_job: MakeJob, stream: TaskBenchmark
) -> None:
    results = [
        run(make_job("mas", experiment="adaptation", importance_on=on), stream=stream)
        for on in ("train", "train, then subset")
    ]
    assert results[0]["stored_mb"] == results[1]["stored_mb"]
    assert results[1]["seconds"]["importance"][0] > 0


# --- what data importance is measured on ---


@pytest.mark.parametrize("on", ["train", "test", "train+test"])
def test_importance_on_the_data_that_are_asked_for(
    on: str, make_job: MakeJob, stream: TaskBenchmark
) -> None:
    learner = learn_one(make_job("mas", experiment="importance-data", importance_on=on), stream)
    meant = [x for part in on.split("+") for x in images(stream, part, {0, 1, 2})]
    expected = global_importance(learner.strategy.model, meant, forward=lambda net, x: net(x, 0))
    for name, omega in expected.items():
        torch.testing.assert_close(learner.plugins[0].importance[name], omega, rtol=1e-4, atol=1e-6)


# --- two importances, layer by layer ---


def two_importances() -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    generator = np.random.default_rng(0)
    one = generator.lognormal(size=(6, 50))
    other = one**2 * generator.lognormal(size=(6, 50), sigma=0.2)
    one[0], other[:, 0] = 0, 0
    flat = np.full(4, 2.0)
    pairs = {"w": (one, other), "b": (flat, np.arange(4.0)), "dead": (np.zeros(3), np.zeros(3))}
    return tuple({n: torch.tensor(p[k]) for n, p in pairs.items()} for k in (0, 1))  # type: ignore[return-value]


def pearson(x: Any, y: Any) -> float:
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    product = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    squares = (sum((a - mean_x) ** 2 for a in x) * sum((b - mean_y) ** 2 for b in y)) ** 0.5
    return float(product / squares)


def ranks(values: list[float]) -> list[float]:
    """Return the rank of each value, the mean over equal ones."""
    ordered = sorted(values)
    return [ordered.index(v) + (ordered.count(v) - 1) / 2 for v in values]


def test_the_comparison_against_the_definitions() -> None:
    one, other = two_importances()
    found = {entry["name"]: entry for entry in compare(one, other)}
    assert json.loads(json.dumps(list(found.values()), allow_nan=False))[0]["shape"] == [6, 50]
    a, b = (omega["w"].ravel().tolist() for omega in (one, other))
    w = found["w"]
    assert w["spearman"] == pytest.approx(pearson(ranks(a), ranks(b)))
    both = [(x, y) for x, y in zip(a, b, strict=True) if x > 0 and y > 0]
    logs = np.log10(both)
    assert w["pearson"] == pytest.approx(pearson(*logs.T.tolist()))
    assert w["pearson"] > 0.9
    assert w["global"]["zeros"] == pytest.approx(50 / 300)
    assert w["local"]["zeros"] == pytest.approx(6 / 300)
    assert w["global"]["sum"] == pytest.approx(sum(a))
    assert sum(w["global"]["counts"]) == 250
    assert sum(w["local"]["counts"]) == 294
    density = np.array([[int(n) for n in row.split()] for row in w["density"]])
    assert density.shape == (BINS, BINS)
    assert density.sum() == len(both)
    assert density.sum(axis=1).tolist() == np.histogram(logs[:, 0], w["edges"])[0].tolist()
    assert density.sum(axis=0).tolist() == np.histogram(logs[:, 1], w["edges"])[0].tolist()
    positive = np.sort([np.log10(x) for x in a if x > 0])
    assert w["global"]["quantiles"][QUANTILES.index(0.5)] == pytest.approx(np.median(positive))


def test_what_does_not_vary_has_no_correlation() -> None:
    found = {entry["name"]: entry for entry in compare(*two_importances())}
    assert found["b"]["spearman"] is None
    assert found["b"]["pearson"] is None
    dead = found["dead"]
    assert dead["spearman"] is None
    assert dead["global"] == {"sum": 0.0, "zeros": 1.0, "quantiles": None, "counts": [0] * BINS}


def test_other_parameters_are_refused() -> None:
    one, other = two_importances()
    del other["b"]
    with pytest.raises(ValueError, match="'b'"):
        compare(one, other)


def test_a_run_of_local_vs_global(make_job: MakeJob, one_task: TaskBenchmark) -> None:
    job = make_job("fine-tuning", experiment="local-vs-global", tasks=("letters",))
    result = run(job, say=lambda _: None, stream=one_task)
    names = [entry["name"] for entry in result["importances"]]
    assert "body.0.weight" in names
    assert "classifier.classifiers.0.classifier.weight" in names
    assert all(seconds > 0 for seconds in result["importance_seconds"].values())
    # of the last layer, which has no nonlinearity, both are the same by definition
    head = result["importances"][names.index("classifier.classifiers.0.classifier.weight")]
    assert head["spearman"] == pytest.approx(1, abs=1e-4)
    assert result["accuracy"] == [[pytest.approx(result["accuracy"][0][0])]]
