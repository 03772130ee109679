// Writes safetensors files for other tools (read by weights/safetensors.h), with the bytes that the reference
// implementation writes: tensors by falling alignment of their type, then by name; the header padded so that they begin
// at a multiple of 8 bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "weights/safetensors_header.h"

namespace trellis {

// Fills `chunk` with a tensor's bytes from `offset` on: row-major, little-endian. Both are multiples of 8 bytes, but
// for the tensor's end.
using FillChunk = std::function<void(std::int64_t offset, std::span<std::byte> chunk)>;

struct SafetensorsSource {
  std::string name;  // at most 1,000 bytes of UTF-8 without control characters
  SafetensorsDtype dtype = SafetensorsDtype::f32;
  std::vector<std::int64_t> shape;            // empty for a scalar
  std::variant<const void*, FillChunk> data;  // where the elements are, or who makes them, called in order of offset
};

// Writes a new file; the same tensors in any order and metadata give the same bytes. The file appears when it is whole
// and on the disk. Throws OutputExistsError (73) when there is anything at `path`, WriteError (74) for a full disk and
// the like, DataError for metadata that is not UTF-8, InternalError for tensors that no file can hold, and what a
// FillChunk throws; then nothing is left behind.
void write_safetensors(const std::filesystem::path& path, std::span<const SafetensorsSource> tensors,
                       const SafetensorsMetadata& metadata = {});

}  // namespace trellis
