// What every sequence of a corpus is: how long and how wide, of how many classes, and how its bytes become the
// network's numbers. The manifest says it, and every shard repeats it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace trellis {

// x = (byte / 255 - mean[channel]) / deviation[channel]. Stored pixels are bytes; whoever feeds a network applies it.
struct Normalisation {
  std::vector<double> mean, deviation;  // one number a channel; deviations > 0, all finite
  bool operator==(const Normalisation&) const = default;
};

struct SequenceDescription {
  std::int64_t steps = 0, channels = 0;  // a sequence is uint8 [steps, channels]
  std::int64_t classes = 0;              // labels are 0 .. classes - 1
  Normalisation normalisation;
  std::int64_t bytes() const { return steps * channels; }  // of a sequence
  bool operator==(const SequenceDescription&) const = default;
};

// "0.5,0.25": the shortest decimals that read back exactly. Used on the command line and in shards.
std::string numbers_text(std::span<const double> numbers);
// Empty unless the text is finite numbers with single commas between them.
std::optional<std::vector<double>> numbers_from_text(std::string_view text);

}  // namespace trellis
