"""Names: what classes are called in data sets that are known by their labels."""

from __future__ import annotations

FASHION_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
# SHA-256 of the unpacked label file: `gunzip -c train-labels-idx1-ubyte.gz | sha256sum`. The
# labels are enough to know the data, and hashing them costs 60 kB in place of the images' 47 MB.
BY_LABEL_DIGEST = {
    "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9": FASHION_NAMES,
    "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34": FASHION_NAMES,
}
