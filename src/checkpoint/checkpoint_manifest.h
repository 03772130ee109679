// manifest.json of a checkpoint directory: what state.h5 holds, its size and hash, and the trainer's own state.
// The grammar, a worked example and the compatibility rule are in docs/formats.md, "Checkpoint directory".
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "checkpoint/tensor_slice.h"

namespace trellis::checkpoint {

inline constexpr int kFormatVersion = 1;
inline constexpr const char* kManifestFile = "manifest.json";
inline constexpr const char* kStateFile = "state.h5";
inline constexpr std::int64_t kLargestManifestBytes = 64 << 20;
inline constexpr const char* kOtherVersion = "use the version of this program that wrote it, or a newer one";  // what can be done
inline constexpr std::size_t kMostTensors = 100'000;

struct Manifest {
  std::int64_t step = 0;
  std::vector<TensorInfo> tensors;               // in the order of the slices given to the writer
  std::int64_t state_bytes = 0;                  // size of state.h5
  std::string state_hash;                        // of state.h5, as in checkpoint/block_hash.h
  nlohmann::json state;                          // an object; its meaning is the trainer's
  std::map<std::string, std::string> libraries;  // name -> version that wrote the checkpoint
};

// The text of manifest.json, its own hash included; the same bytes for the same manifest.
std::string manifest_text(const Manifest& manifest);

// Throws DataError naming `where` unless the text is exactly what manifest_text gives for some manifest of this
// version; DamagedError where its own hash says that it is another text than was written.
Manifest parse_manifest(const std::string& text, const std::string& where);

// "step-0000001000" and back; empty for every other name.
std::string checkpoint_name(std::int64_t step);
std::optional<std::int64_t> step_of_name(const std::string& name);

}  // namespace trellis::checkpoint
