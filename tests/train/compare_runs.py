"""compare_runs.py RUN RUN LIMIT STEPS: exit 0 only if both runs took the same STEPS steps with the same losses (of validations,
too), auxiliary losses, accuracies and gradient norms, and if their newest checkpoints hold the same tensors, all to the relative LIMIT. A tensor's
error is relative to its largest element."""
import glob
import json
import sys

import h5py
import numpy


def steps(run):
    """Step events by step; validations as well, whose losses are compared where both runs have one after the same step."""
    found, validations = {}, {}
    with open(run + "/metrics.jsonl") as file:
        for line in file:
            event = json.loads(line)
            if event["event"] == "step":
                found[event["step"]] = event
            if event["event"] == "validation":
                validations[event["step"]] = event
    for step, event in validations.items():
        if step in found:
            found[step]["validation_loss"] = event["loss_nats"]
    return found


def tensors(run):
    newest = sorted(glob.glob(run + "/checkpoints/step-*"))[-1]
    with h5py.File(newest + "/state.h5", "r") as file:
        return newest.rsplit("/", 1)[1], {name: file[name][...] for name in file}


def main(first, second, limit, count):
    limit, count = float(limit), int(count)
    one, other = steps(first), steps(second)
    if sorted(one) != sorted(other) or sorted(one) != list(range(1, count + 1)):
        sys.exit(f"steps {sorted(one)} and {sorted(other)}, expected 1 to {count} in both")
    worst = 0.0
    for step in one:
        for key in ("loss_nats", "aux_loss", "accuracy", "gradient_norm", "validation_loss"):
            if key not in one[step] and key not in other[step]:
                continue
            if key == "validation_loss" and not (key in one[step] and key in other[step]):
                continue
            a, b = one[step][key], other[step][key]
            error = abs(a - b) / (abs(a) or 1)
            if not error <= limit:
                sys.exit(f"step {step}: {key} {a!r} and {b!r}, relative difference {error:.2e} is above {limit:.0e}")
            worst = max(worst, error)
    (name, one), (other_name, other) = tensors(first), tensors(second)
    if name != other_name or sorted(one) != sorted(other):
        sys.exit(f"checkpoints {name} {sorted(one)} and {other_name} {sorted(other)}")
    worst_tensor = 0.0
    for key in one:
        if one[key].shape != other[key].shape:
            sys.exit(f"{key}: {one[key].shape} and {other[key].shape}")
        largest = numpy.abs(one[key]).max()
        error = numpy.abs(one[key] - other[key]).max() / (largest if largest > 0 else 1)
        if not error <= limit:
            sys.exit(f"{name}: {key} differs by {error:.2e}, above {limit:.0e}")
        worst_tensor = max(worst_tensor, error)
    print(f"{first} {second}: {count} steps within {worst:.1e}, {len(one)} tensors within {worst_tensor:.1e}")


main(*sys.argv[1:])
