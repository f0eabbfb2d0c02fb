"""The facts of the published files, against those that the libraries state."""

import re
from pathlib import PurePosixPath

import pytest
from avalanche.benchmarks.datasets import CUB200
from torchvision.datasets import SVHN, FGVCAircraft, Flowers102
from torchvision.datasets.voc import DATASET_YEAR_DICT

from avalanche_mas.streams import TASKS
from benchmarks.data.sources import SOURCES

EVERY = {source.file: source for task in SOURCES.values() for source in task}
LENGTHS = {"md5": 32, "sha1": 40, "sha256": 64}


def test_every_task_has_sources():
    assert list(SOURCES) == list(TASKS)
    assert len(EVERY) == sum(map(len, SOURCES.values()))


@pytest.mark.parametrize("name", EVERY)
def test_a_source_is_well_formed(name):
    source = EVERY[name]
    assert source.sums
    for kind, value in source.sums.items():
        assert re.fullmatch(f"[0-9a-f]{{{LENGTHS[kind]}}}", value)
    for url in source.urls:
        assert re.match("https?://[a-z0-9.-]+/.", url)
        assert name in url
    assert source.urls or source.by_hand
    assert len(set(source.urls)) == len(source.urls)
    assert not {"..", "/"} & set(PurePosixPath(source.place).parts)


def test_the_definitions_state_the_same_sums():
    for task in TASKS.values():
        for file, md5 in task.checksums.items():
            assert EVERY[file].md5 == md5


def test_torchvision_states_the_same():
    for file, md5 in Flowers102._file_dict.values():
        assert EVERY[file].md5 == md5
        assert Flowers102._download_url_prefix + file in EVERY[file].urls
    for part in ("train", "test"):
        url, file, md5 = SVHN.split_list[part]
        assert EVERY[file].md5 == md5
        assert EVERY[file].urls == (url,)
    voc = DATASET_YEAR_DICT["2012"]
    assert EVERY[voc["filename"]].md5 == voc["md5"]
    assert voc["url"] in EVERY[voc["filename"]].urls
    assert FGVCAircraft._URL in EVERY["fgvc-aircraft-2013b.tar.gz"].urls


def test_avalanche_states_the_same():
    assert EVERY[CUB200.filename].md5 == CUB200.tgz_md5
    assert CUB200.official_url in EVERY[CUB200.filename].urls
