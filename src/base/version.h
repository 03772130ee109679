// The version that every program prints for --version, and that checkpoints and shards record.
#pragma once

namespace trellis {

inline constexpr const char* kVersion = "0.1.0";

}  // namespace trellis
