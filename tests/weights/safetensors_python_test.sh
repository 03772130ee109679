#!/bin/bash
# Safetensors files go to the Python package safetensors and come from it: our copy of its files has their bytes, numbers
# converted here are those that numpy converts, and damaged files that open here open there. Without that package the
# golden file (safetensors_test.cpp) stands for it.
set -eu
program=${BUILD_BIN%/bin}/tests/checkpoint_program_mpi_test
golden=$SOURCE_DIR/tests/checkpoint/golden
work=$(mktemp -d "${TMPDIR:-/tmp}/trellis-safetensors-XXXXXX")
trap 'rm -rf "$work"' EXIT
"$program" copy "$golden/weights.safetensors" "$work/golden" stored
cmp "$golden/weights.safetensors" "$work/golden"

found=
for python in python3 /usr/bin/python3; do
  if "$python" -c "import numpy, safetensors.numpy" 2> /dev/null; then found=yes && break; fi
done
if [ -z "$found" ]; then
  echo "no Python here has numpy and safetensors: the golden file alone was copied"
  exit 0
fi
"$python" - "$program" "$work" "$golden" << 'PYTHON'
import os, random, subprocess, sys
import numpy, safetensors
from safetensors.numpy import load_file, save_file
program, work, golden = sys.argv[1:]
sys.path.insert(0, golden)
sys.dont_write_bytecode = True
import weights

def copy(name, kind):
    target = f"{work}/{name}.{kind}"
    subprocess.run([program, "copy", f"{work}/{name}", target, kind], check=True)
    return target

def read(path):
    with open(path, "rb") as file:
        return file.read()

assert bytes(weights.serialize(weights.TENSORS, {"format": "golden"})) == read(f"{golden}/weights.safetensors"), (
    f"safetensors {safetensors.__version__} lays the golden file out otherwise")

random.seed(3)
source = numpy.random.default_rng(3)
def array(dtype, shape):
    """Any bits at all, so subnormals, infinities and NaN as well."""
    count = int(numpy.prod(shape, dtype="int64"))
    if dtype == "bool":
        return source.integers(0, 2, size=shape).astype("bool")
    return numpy.frombuffer(source.bytes(count * numpy.dtype(dtype).itemsize), dtype=dtype).reshape(shape)

shapes = [(), (1,), (7,), (2, 3), (0, 5), (3, 1, 4, 2)]
dtypes = ["float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8", "bool"]
letters = "abz019._-/ \"\\\u00e9\u20ac\U0001f40d"
for trial in range(5):
    tensors = {}
    for _ in range(40):
        name = "".join(random.choice(letters) for _ in range(random.randint(1, 12)))
        tensors[name] = array(random.choice(dtypes), random.choice(shapes))
    metadata = None if trial == 0 else {"note": "line\nbreak \"quoted\" \u00e9\x7f" * trial}
    save_file(tensors, f"{work}/any{trial}", metadata)
    assert read(copy(f"any{trial}", "stored")) == read(f"{work}/any{trial}"), trial

# 32-bit and 64-bit numbers of every float type, large enough for several chunks
bits16 = numpy.arange(65536, dtype="uint16")
floats = {"half": bits16.view("float16"), "single": array("float32", (70000, 3)), "double": array("float64", (150001,)),
          "spread": numpy.float64(10) ** source.uniform(-50, 42, size=100000), "scalar": array("float32", ())}
save_file(floats, f"{work}/floats")
for kind, dtype in (("F32", "float32"), ("F64", "float64")):
    found = load_file(copy("floats", kind))
    assert sorted(found) == sorted(floats)
    for name, value in floats.items():
        with numpy.errstate(over="ignore", invalid="ignore"):
            expected = value.astype(dtype)
        assert found[name].dtype == dtype and found[name].shape == value.shape, name
        same = (found[name] == expected) & (numpy.signbit(found[name]) == numpy.signbit(expected))
        assert (same | (numpy.isnan(found[name]) & numpy.isnan(expected))).all(), (kind, name)

with open(f"{work}/brain", "wb") as file:
    file.write(bytes(weights.serialize({"brain": ("bfloat16", [65536], bits16.tobytes())}, None)))
expected = (bits16.astype("uint32") << 16).view("float32")
found = load_file(copy("brain", "F32"))["brain"]
assert ((found == expected) | (numpy.isnan(found) & numpy.isnan(expected))).all()
# A file that is opened here is opened there and says the same, whatever was done to it.
os.mkdir(f"{work}/damaged")
whole, likely = read(f"{golden}/weights.safetensors"), b"{}[]\",:0123456789-.eE\\u_ FBIU\x00\xff\xc2"
for trial in range(4000):
    header = bytearray(whole[8:-100])
    for _ in range(random.randint(1, 3)):
        at, byte = random.randrange(len(header)), random.choice(likely)
        kind = random.randrange(4)
        if kind == 0:
            del header[at : at + random.randint(1, 8)]
        elif kind == 1:
            header[at:at] = bytes([byte] * random.randint(1, 3))
        else:
            header[at] = byte
    with open(f"{work}/damaged/{trial}", "wb") as file:
        file.write(len(header).to_bytes(8, "little") + header + whole[-100:])
said = subprocess.run([program, "judge", f"{work}/damaged"], check=True, capture_output=True, text=True).stdout
verdicts = dict(line.split(" ", 1) for line in said.splitlines())
assert len(verdicts) == 4000
opened = 0
for name, verdict in verdicts.items():
    if verdict == "opened":
        opened += 1
        safetensors.deserialize(read(f"{work}/damaged/{name}"))
    elif os.environ.get("SHOW_STRICTER"):  # for people: what is refused here only
        try:
            safetensors.deserialize(read(f"{work}/damaged/{name}"))
            print("refused here only:", verdict)
        except safetensors.SafetensorError:
            pass
assert opened > 100, opened
print("files of safetensors", safetensors.__version__, "are read and written alike")
PYTHON
