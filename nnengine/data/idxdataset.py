"""IDX files as PyTorch's DataLoader reads data sets; PyTorch itself is not needed to make one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .dataset import Dataset
from .idx import Idx1, Idx3


class IdxDataset:
    """An IDX file of images with its labels, as PyTorch's DataLoader reads data sets.

    images, labels: paths, gzip or not; read whole, once, and kept as bytes. An item is (image,
    label): float32 (1, height, width) from 0 to 1, of a set in colour (3, height, width), and a
    whole number; or what `transform` makes of the image, uint8 (height, width) or (height, width,
    3), and `target_transform` of the label. Raises FormatError as `read_idx` does.
    """

    def __init__(
        self,
        images: Any,
        labels: Any,
        transform: Callable[[np.ndarray], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
    ) -> None:
        self.data = Dataset(Idx3(images), Idx1(labels))
        self.transform, self.target_transform = transform, target_transform

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Return one image with its label; raises IndexError where there is none."""
        image, label = self.data.images[index], int(self.data.labels[index])
        if self.transform is None:
            planes = image[None] if image.ndim == 2 else image.transpose(2, 0, 1)
            shown: Any = np.multiply(planes, np.float32(1 / 255), order="C")
        else:
            shown = self.transform(image.copy())  # theirs may write to it
        return shown, label if self.target_transform is None else self.target_transform(label)

    def __repr__(self) -> str:
        return f"IdxDataset({self.data!r})"
