#!/usr/bin/env bash
# The operations that tests/benchmarks/engine reckons with: counts that can be made by hand; and that its kernels can be called.
set -euo pipefail

PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$SOURCE_DIR/tests/benchmarks python3 - <<'PYTHON'
import model_flops as flops

# three levels with dilations 1, 2, 1 and two taps: last step 9 needs 9 of level 3; 8, 9 of level 2; 6, 7, 8, 9 of level 1
nodes, injected = flops.nodes_of_last_step([1, 2, 1], 3, 10, 2)
assert nodes == 1 + 2 + 4, nodes
assert injected == 4 + 2, injected  # dilation 1: steps 6 to 9; dilation 2: steps 8 and 9
# no step before the first is needed
assert flops.nodes_of_last_step([1], 5, 2, 2)[0] == 1 + 4 * 2
# sequential MNIST: 1,571 of 8,624
assert flops.nodes_of_last_step([1, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512], 11, 784, 2)[0] == 1571

# one level, one row: [2, 8] taps twice, [3, 8] taps twice, [2, 5] classes; 2 operations a multiplication, 3 products
one = flops.language_model_step(1, 1, hidden=2, embedding=3, outputs=2, levels=1, taps=2, output_count=1, classes=5)
assert one == 3 * 2 * (2 * 2 * 8 + 2 * 3 * 8 + 2 * 5), one
# a tail cluster of 10 words that half the rows see, at both outputs
half = flops.language_model_step(1, 1, 2, 3, 2, 1, 2, 2, 5, [(0.5, 10)])
assert half == 3 * 2 * (2 * 2 * 8 + 2 * 3 * 8 + 2 * 2 * (5 + 5)), half
PYTHON
"$SOURCE_DIR/tests/benchmarks/engine" --help >/dev/null

# Every kernel is given all that it needs.
for precision in float32 bf16; do
  "$BUILD_BIN/../tests/engine_limits" --part kernels --threads 1 --calls 1 --precision "$precision" >/dev/null
done
