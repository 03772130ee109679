// Names, versions and limits of corpora of labelled sequences. docs/formats.md describes them with a worked example.
#pragma once

#include <cstdint>
#include <string_view>

namespace trellis {

inline constexpr std::string_view kSequencesFormat = "trellis-sequences",
                                  kSequenceShardFormat = "trellis-sequence-shard";
inline constexpr int kSequencesFormatVersion = 1;

// What is refused before anything is allocated or parsed.
inline constexpr std::int64_t kMaxSteps = std::int64_t{1} << 20;  // an image of 1024 x 1024
inline constexpr std::int64_t kMaxChannels = 8;
inline constexpr std::int64_t kMaxClasses = 256;                      // labels are bytes
inline constexpr std::int64_t kMaxSequences = std::int64_t{1} << 31;  // in a split

}  // namespace trellis
