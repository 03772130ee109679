// Numbers as people read them: durations, counts, bytes, perplexities. Every function takes any value, also one that is
// not finite, and never throws.
#pragma once

#include <cstdint>
#include <string>

namespace trellis {

std::string format_duration(double seconds);   // "1.2ms", "0.31s", "45s", "2m03s", "1h02m", "3d04h"; "?" below 0 or not finite
std::string format_count(double count);        // "2810", "28.1k", "2.09M", "1.30G"
std::string format_bytes(std::int64_t bytes);  // "512 B", "1.2 KiB", "204.0 MiB"; "?" below 0
std::string format_loss(double nats);          // "6.7123"; "nan", "inf"
std::string format_perplexity(double loss_nats);  // exp of it: "820.4", "1.22e+09", "inf"
std::string format_accuracy(double share);        // 0.875: "87.50 %"

}  // namespace trellis
