#!/usr/bin/env python3
"""Writes weights.safetensors, beside this file or where the argument says, with the Python package safetensors (0.8.0
wrote the one that is kept). Elements are given as bytes, so that no other library has a part in them."""
import ctypes
import os
import struct
import sys

import safetensors

TENSORS = {
    "layer.weight": ("float64", [2, 3], struct.pack("<6d", 1.0, -0.0, 5e-324, float("inf"), 1 / 3, -1e308)),
    "layer.bias": ("float32", [3], struct.pack("<3f", 0.1, 1e-45, float("-inf"))),
    "scale": ("float64", [], struct.pack("<d", -2.5)),
    "half": ("float16", [4], struct.pack("<4H", 0x3C00, 0x0001, 0xFC00, 0x7E01)),
    "brain": ("bfloat16", [1, 2], struct.pack("<2H", 0x3F80, 0x8001)),
    "steps": ("int64", [2], struct.pack("<2q", 7, -7)),
    "empty": ("float32", [0, 4], b""),
    'caf\u00e9 "\\/': ("float32", [1], struct.pack("<f", 8.0)),
}


def serialize(tensors, metadata):
    """tensors: name -> (dtype, shape, bytes)"""
    if not hasattr(safetensors, "TensorSpec"):  # before 0.8
        entries = {n: {"dtype": d, "shape": s, "data": b} for n, (d, s, b) in tensors.items()}
        return safetensors.serialize(entries, metadata)
    alive = {n: ctypes.create_string_buffer(b, max(len(b), 1)) for n, (_, _, b) in tensors.items()}
    entries = {
        n: safetensors.TensorSpec(dtype=d, shape=s, data_ptr=ctypes.addressof(alive[n]), data_len=len(b))
        for n, (d, s, b) in tensors.items()
    }
    return safetensors.serialize(entries, metadata)


if __name__ == "__main__":
    place = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "weights.safetensors")
    with open(place, "wb") as file:
        file.write(bytes(serialize(TENSORS, {"format": "golden"})))
