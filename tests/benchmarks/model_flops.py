"""Floating-point operations that one training step of a network needs: the matrix products of its definition, a
multiplication and an addition each, and nothing else (gates, dropout, updates are left out, as is usual for such figures).

With N rows (lanes times steps), hidden size H, embedding E, outputs O, k taps, a product of [N, a] with [a, b] is 2 N a b.

  levels      N rows of k taps [H, 4H], each level                 language model: all rows of all levels; classifier: the
                                                                   nodes that the last step depends on, times lanes
  injection   N rows of k taps [E, 4H], once for each dilation     likewise
  softmax     N rows of [O, classes], each output                  adaptive: the head for all rows, a tail cluster for the rows
                                                                   whose word lies in it

Backward needs two such products for one forward: the gradient of the input and that of the weights. Only an input that is
data (a classifier's) needs no gradient of its own. What an implementation computes again, or can skip since the lowest level
starts from zeros, does not change these figures.
"""
FORWARD_AND_BACKWARD = 3


def nodes_of_last_step(dilations, levels, steps, taps):
    """What the last step of the highest level depends on: how many pairs of level and step, and how many pairs of dilation and
    step, as levels of one dilation share the injection."""
    nodes, injected, needed = 0, set(), {steps - 1}
    for level in reversed(range(levels)):
        dilation = dilations[level % len(dilations)]
        nodes += len(needed)
        injected |= {(dilation, step) for step in needed}
        needed = {step - tap * dilation for step in needed for tap in range(taps) if step >= tap * dilation}
    return nodes, len(injected)


def language_model_step(lanes, steps, hidden, embedding, outputs, levels, taps, output_count, classes, tail_shares=()):
    """classes: of the full softmax, or of the head; tail_shares: (share of the rows, classes) of each tail cluster."""
    rows = lanes * steps
    forward = levels * 2 * rows * taps * hidden * 4 * hidden
    forward += 2 * rows * taps * embedding * 4 * hidden
    forward += output_count * 2 * rows * outputs * (classes + sum(share * size for share, size in tail_shares))
    return FORWARD_AND_BACKWARD * forward


def classifier_step(lanes, steps, hidden, channels, levels, taps, dilations):
    nodes, injected = nodes_of_last_step(dilations, levels, steps, taps)
    body = nodes * lanes * 2 * taps * hidden * 4 * hidden
    injection = injected * lanes * 2 * taps * channels * 4 * hidden
    return FORWARD_AND_BACKWARD * body + (FORWARD_AND_BACKWARD - 1) * injection
