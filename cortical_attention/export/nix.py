"""Recordings as NIX files, through neo."""

import neo

from cortical_attention.readout.files import replacing


def write_nix(block, path):
    """Write a neo Block to a NIX file: lossless but slow, tens of milliseconds per train.

    Raises
    ------
    FolderError
        If the file cannot be written.
    """
    with replacing(path) as part, neo.io.NixIO(str(part), mode="ow") as file:
        file.write_block(block)


def read_nix(path):
    """Read the neo Block of a NIX file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    """
    with open(path, "rb"), neo.io.NixIO(str(path), mode="ro") as file:
        return file.read_block()
