#!/bin/bash
# A checkpoint's state.h5 is a plain HDF5 file for other tools: h5py lists the datasets and reads the elements.
set -eu
program=${BUILD_BIN%/bin}/tests/checkpoint_program_mpi_test
work=$(mktemp -d "${TMPDIR:-/tmp}/trellis-h5py-XXXXXX")
trap 'rm -rf "$work"' EXIT
mpirun -n 2 "$program" write "$work" 5 5 301 > /dev/null
for python in python3 /usr/bin/python3; do
  "$python" -c "import h5py, numpy" 2> /dev/null && break
done
"$python" - "$work/step-0000000005" << 'PYTHON'
import json, sys
import h5py, numpy
directory = sys.argv[1]
manifest = json.load(open(directory + "/manifest.json"))
with h5py.File(directory + "/state.h5", "r") as file:
    assert sorted(file) == sorted(t["name"] for t in manifest["tensors"]), sorted(file)
    for tensor in manifest["tensors"]:
        dataset = file[tensor["name"]]
        assert dataset.dtype == numpy.dtype(tensor["type"]).newbyteorder("<"), dataset.dtype
        assert list(dataset.shape) == tensor["shape"] and dataset.chunks is None, dataset
        whole = numpy.arange(dataset.size, dtype="int64") * 7 + 5000 + len(tensor["name"])
        expected = whole if tensor["type"] == "int64" else (whole / 8).astype(tensor["type"])
        assert (dataset[...].ravel() == expected).all(), tensor["name"]
print("h5py reads", len(manifest["tensors"]), "tensors")
PYTHON
