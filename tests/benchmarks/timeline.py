"""A profile of `trellis train --profile A:B` read as a pipeline: what each stage did of each chunk, the share of time in which
stages waited, and a drawing.

  tests/benchmarks/timeline.py PROFILE.json [--step N] [--svg FILE]

The bubble is of the two waves through the levels: of the time from the first stage's first chunk to the last stage's last one
(and back), the share in which a stage did not compute levels, over all stages.
"""
import argparse
import json
import sys

COLORS = {"levels forward": "#4e79a7", "levels backward": "#f28e2b", "loss": "#59a14f", "embedding": "#b07aa1", "embedding backward": "#b07aa1",
          "gradient reduction": "#e15759", "update": "#9c755f", "kernel gradient": "#edc948"}


def spans_of(path, step=None):
    """Spans of one step, as (rank, name, begin, end, args) in microseconds from the step's start; waiting left out."""
    with open(path) as file:
        events = [event for event in json.load(file)["traceEvents"] if event["ph"] == "X"]
    steps = sorted({event["args"]["step"] for event in events if event["name"] == "step"})
    step = step or steps[len(steps) // 2]
    bounds = {event["pid"]: (event["ts"], event["ts"] + event["dur"]) for event in events
              if event["name"] == "step" and event["args"]["step"] == step}
    start = min(begin for begin, _ in bounds.values())
    spans = []
    for event in events:
        begin, end = event["ts"], event["ts"] + event["dur"]
        low, high = bounds.get(event["pid"], (0, -1))
        if low <= begin and end <= high and event["name"] in {*COLORS, "wait for tensors"}:
            spans.append((event["pid"], event["name"], begin - start, end - start, event.get("args", {})))
    return step, sorted(spans, key=lambda span: (span[0], span[2]))


def wave(spans, name):
    """Share of a wave's time in which stages did not compute levels."""
    of_wave = [span for span in spans if span[1] == name]
    ranks = {span[0] for span in of_wave}
    length = max(span[3] for span in of_wave) - min(span[2] for span in of_wave)
    return length, sum(span[3] - span[2] for span in of_wave), len(ranks), max(sum(1 for s in of_wave if s[0] == rank) for rank in ranks)


def bubble(spans):
    """(share of the time of both waves in which stages waited, stages, chunks)"""
    waves = [wave(spans, name) for name in ("levels forward", "levels backward")]
    length, busy, stages, chunks = sum(w[0] for w in waves), sum(w[1] for w in waves), waves[0][2], waves[0][3]
    return 1 - busy / (length * stages), stages, chunks


def draw(step, spans):
    """The step as SVG: a row a stage, time to the right."""
    width, row, left, top = 1000, 46, 70, 34
    ranks = sorted({span[0] for span in spans})
    end = max(span[3] for span in spans)
    scale = (width - left - 10) / end
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top + row * len(ranks) + 58}" font-family="sans-serif" font-size="12">',
             f'<rect width="100%" height="100%" fill="white"/><text x="{left}" y="20">step {step}: {end / 1000:.1f} ms</text>']
    for n, rank in enumerate(ranks):
        y = top + n * row
        lines.append(f'<text x="8" y="{y + 24}">stage {rank}</text><rect x="{left}" y="{y}" width="{end * scale:.1f}" height="{row - 10}" fill="#eeeeee"/>')
        for span_rank, name, begin, finish, args in spans:
            if span_rank != rank or name not in COLORS:
                continue
            inset = 8 if name in ("kernel gradient",) else 0
            title = name + (f", steps {args['time_begin']} to {args['time_end']}" if "time_begin" in args else "")
            lines.append(f'<rect x="{left + begin * scale:.2f}" y="{y + inset}" width="{max(0.4, (finish - begin) * scale):.2f}" '
                         f'height="{row - 10 - 2 * inset}" fill="{COLORS[name]}" stroke="white" stroke-width="0.5">'
                         f"<title>{title}: {(finish - begin) / 1000:.2f} ms</title></rect>")
    y, x = top + row * len(ranks) + 20, left
    for name in ("levels forward", "loss", "levels backward", "kernel gradient", "embedding", "gradient reduction", "update"):
        lines.append(f'<rect x="{x}" y="{y}" width="12" height="12" fill="{COLORS[name]}"/><text x="{x + 16}" y="{y + 11}">{name}</text>')
        x += 26 + 7 * len(name)
    lines.append(f'<rect x="{x}" y="{y}" width="12" height="12" fill="#eeeeee"/><text x="{x + 16}" y="{y + 11}">waiting</text>')
    return "\n".join([*lines, "</svg>", ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("profile", help="RUN/profile/steps-*.json")
    parser.add_argument("--step", type=int, help="which step (default: the middle one)")
    parser.add_argument("--svg", help="file to draw into")
    options = parser.parse_args()
    step, spans = spans_of(options.profile, options.step)
    share, stages, chunks = bubble(spans)
    print(f"step {step}: {stages} stages, {chunks} chunks, bubble {share:.3f}, with equal chunks {(stages - 1) / (chunks + stages - 1):.3f}")
    if options.svg:
        with open(options.svg, "w") as file:
            file.write(draw(step, spans))


if __name__ == "__main__":
    sys.exit(main())
