"""Oxford Flowers-102."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from avalanche_mas.streams.files import class_index
from avalanche_mas.streams.matlab import matlab
from avalanche_mas.streams.pictures import FilePicture
from avalanche_mas.streams.task import Listed, Reading, Sizes, Task, make_reading

_LIST = """
pink primrose, hard-leaved pocket orchid, canterbury bells, sweet pea, english marigold, tiger
lily, moon orchid, bird of paradise, monkshood, globe thistle, snapdragon, colt's foot, king
protea, spear thistle, yellow iris, globe-flower, purple coneflower, peruvian lily, balloon
flower, giant white arum lily, fire lily, pincushion flower, fritillary, red ginger, grape
hyacinth, corn poppy, prince of wales feathers, stemless gentian, artichoke, sweet william,
carnation, garden phlox, love in the mist, mexican aster, alpine sea holly, ruby-lipped cattleya,
cape flower, great masterwort, siam tulip, lenten rose, barbeton daisy, daffodil, sword lily,
poinsettia, bolero deep blue, wallflower, marigold, buttercup, oxeye daisy, common dandelion,
petunia, wild pansy, primula, sunflower, pelargonium, bishop of llandaff, gaura, geranium, orange
dahlia, pink-yellow dahlia, cautleya spicata, japanese anemone, black-eyed susan, silverbush,
californian poppy, osteospermum, spring crocus, bearded iris, windflower, tree poppy, gazania,
azalea, water lily, rose, thorn apple, morning glory, passion flower, lotus, toad lily, anthurium,
frangipani, clematis, hibiscus, columbine, desert-rose, tree mallow, magnolia, cyclamen,
watercress, canna lily, hippeastrum, bee balm, ball moss, foxglove, bougainvillea, camellia,
mallow, mexican petunia, bromelia, blanket flower, trumpet creeper, blackberry lily
"""

NAMES = tuple(" ".join(_LIST.split()).split(", "))
"""Class names in the order of the official labels 1..102."""


def read(root: Path) -> Reading:
    """Read ``flowers-102/{imagelabels.mat, setid.mat, jpg/image_NNNNN.jpg}``."""
    folder = root / "flowers-102"
    [labels] = matlab(folder / "imagelabels.mat", "labels")
    sets = matlab(folder / "setid.mat", "trnid", "valid", "tstid")
    for numbers in sets:
        whole = np.issubdtype(numbers.dtype, np.number) and np.array_equal(numbers, numbers // 1)
        if numbers.ndim != 1 or not whole:
            raise ValueError(
                f"{folder / 'setid.mat'}: {numbers.dtype} {numbers.shape} are no whole numbers"
            )
    train, valid, test = (numbers.astype(int) for numbers in sets)

    def listed(numbers: Iterable[int]) -> Listed:
        for number in numbers:
            name = f"image_{number:05d}.jpg"
            if not 1 <= number <= len(labels):
                raise ValueError(f"{folder / 'imagelabels.mat'}: no label for {name}")
            label = class_index(labels[number - 1], NAMES, f"imagelabels.mat, {name}")
            yield FilePicture(name, folder / "jpg" / name), label

    unused = {"pictures in no set": len(labels) - len({*train, *valid, *test})}
    return make_reading(NAMES, listed([*train, *valid]), listed(test), unused)


FLOWERS = Task(
    name="flowers",
    title="Oxford Flowers-102",
    num_classes=102,
    sizes=Sizes(2040, 3074, 3075),
    address="https://www.robots.ox.ac.uk/~vgg/data/flowers/102/",
    checksums={
        "102flowers.tgz": "52808999861908f626f3c1f4e79d11fa",
        "imagelabels.mat": "e0620be6f572b9609742df49c70aed4d",
        "setid.mat": "a5357ecc9cb78c4bef273ce3793fc85c",
    },
    licence="no licence stated; the photographs keep their owners' rights",
    split="official training and validation sets together are the training set; "
    "official test set halved into validation and test",
    folder="flowers-102",
    read=read,
)
