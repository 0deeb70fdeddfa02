"""Formats: all that are read, each a row; the only place that says which bytes are which."""

from __future__ import annotations

from ..sources import looks_like
from . import arff, arrays, cifar, hdf5, idx, libsvm, matfile, members, parquet, table, tar
from .contract import Format

IDX = Format(
    kind="idx",
    title="IDX file",
    matches=lambda head: head.startswith(b"\0\0") and head[4:8] != b"ftyp",  # a picture or film
    read=idx.read,
    array=idx.read_array,
    header=idx.read_header,
    offers=(("IDX", "images and labels in two files, packed with gzip or not, under any name"),),
)


def _is_arff(head: bytes) -> bool:
    look = looks_like(head)
    return look is not None and look[0] == "an ARFF table"


def _is_libsvm(head: bytes) -> bool:
    look = looks_like(head)
    return look is not None and look[0] == "a LIBSVM table"


def _is_csv(head: bytes) -> bool:
    # A row of 784 numbers is longer than what is looked at: its delimiter is there all the same.
    look = looks_like(head)
    return look is not None and look[0] == "a CSV table"


CIFAR = Format(
    kind="cifar",
    title="CIFAR file",
    matches=lambda head: False,  # its first bytes tell nothing: see `cifar.kind_of`
    read=cifar.read,
    offers=(("CIFAR, binary version", "the archive as it is published, or one .bin of it"),),
)

# The first that matches has a file: those told by their first bytes alone stand before those that
# are told by what looks like their text.
FORMATS = (
    IDX,
    Format(
        kind="npy",
        title="NumPy array",
        matches=lambda head: head.startswith(b"\x93NUMPY"),
        read=arrays.read,
        array=arrays.read_array,
        offers=(
            (
                ".npz, .npy",
                "arrays: x_train, y_train, x_test, y_test, or images and labels",
            ),
        ),
    ),
    Format(
        kind="zip",
        title="zip archive",
        matches=lambda head: head.startswith((b"PK\x03\x04", b"PK\x05\x06")),
        read=members.read_zip,
        offers=(
            (
                "Zip of pictures",
                "PNG or JPEG in folders named by class, or with names such as 7_001.png",
            ),
            ("Zip of files", "any of these together, as this page exports them"),
        ),
    ),
    Format(
        kind="tar",
        title="tar archive",
        matches=tar.is_tar,
        read=tar.read,
        offers=(("Tar archive", "the same, packed with gzip or not: .tar, .tar.gz, .tgz"),),
    ),
    CIFAR,
    Format(
        kind="parquet",
        title="Parquet table",
        matches=lambda head: head.startswith(b"PAR1"),
        read=parquet.read,
        offers=(("Parquet", "pictures or pixels with their labels, as Hugging Face has them"),),
    ),
    Format(
        kind="mat",
        title="MATLAB file",
        matches=matfile.is_mat,
        read=matfile.read,
        offers=((".mat", "arrays of images and labels as MATLAB saves them"),),
    ),
    Format(
        kind="hdf5",
        title="HDF5 file",
        matches=hdf5.is_hdf5,
        read=hdf5.read,
        offers=((".h5", "HDF5 of arrays, and MATLAB's .mat of version 7.3"),),
    ),
    Format(
        kind="arff",
        title="ARFF table",
        matches=_is_arff,
        read=arff.read,
        offers=(("ARFF", "tables of OpenML and Weka, one image a row"),),
    ),
    Format(
        kind="libsvm",
        title="LIBSVM table",
        matches=_is_libsvm,
        read=libsvm.read,
        offers=(("LIBSVM", "a label a row, then place:value of the pixels that are not zero"),),
    ),
    Format(
        kind="csv",
        title="CSV table",
        matches=_is_csv,
        read=table.read,
        offers=(("CSV", "one image a row, its label first or in a column that is called so"),),
    ),
)
