#include "weights/safetensors_writer.h"

#include <algorithm>
#include <array>
#include <bit>
#include <fmt/core.h>
#include <tuple>

#include "base/errors.h"
#include "base/stop_request.h"
#include "storage/atomic_file.h"

namespace trellis {
namespace {

namespace fs = std::filesystem;
using namespace checkpoint;

static_assert(std::endian::native == std::endian::little, "numbers are written as the little-endian bytes of memory");

constexpr std::size_t kChunkBytes = 4 << 20;  // asked of a FillChunk at a time

struct Layout {
  std::vector<const SafetensorsSource*> sources;  // in the order of their bytes
  std::vector<SafetensorsTensor> tensors;         // the same, placed
  std::int64_t bytes = 0;
};

[[noreturn]] void throw_impossible(const std::string& what, const fs::path& path) {
  throw InternalError("no safetensors file can hold this: " + what, path.string(),
                      "this is a fault of the program: please report it with the command line");
}

Layout layout_of(std::span<const SafetensorsSource> sources, const fs::path& path) {
  Layout layout;
  for (const SafetensorsSource& source : sources) layout.sources.push_back(&source);
  std::ranges::sort(layout.sources, [](const SafetensorsSource* a, const SafetensorsSource* b) {
    return std::tie(b->dtype, a->name) < std::tie(a->dtype, b->name);
  });
  for (const SafetensorsSource* source : layout.sources) {
    const auto bytes = std::ranges::any_of(source->shape, [](std::int64_t size) { return size < 0; })
                           ? std::nullopt
                           : safetensors_bytes(source->dtype, source->shape);
    std::int64_t end = 0;
    if (!bytes || __builtin_add_overflow(layout.bytes, *bytes, &end))
      throw_impossible(fmt::format("the shape of tensor {}", shown(source->name)), path);
    layout.tensors.push_back({source->name, source->dtype, source->shape, layout.bytes, *bytes});
    layout.bytes = end;
  }
  return layout;
}

// What the reader would refuse is not written.
std::string checked_header(const Layout& layout, const SafetensorsMetadata& metadata, const fs::path& path) {
  const std::string text = safetensors_header_text(layout.tensors, metadata, path.string());
  if (static_cast<std::int64_t>(text.size()) > kLargestSafetensorsHeader)
    throw_impossible(fmt::format("a header of {} bytes", text.size()), path);
  try {
    parse_safetensors_header(text, layout.bytes, path.string());
  } catch (const DataError& error) {
    throw_impossible(error.fact(), path);
  }
  return text;
}

void write_tensor(const File& file, std::int64_t offset, const SafetensorsTensor& tensor,
                  const SafetensorsSource& source) {
  if (tensor.bytes == 0) return;
  if (const auto* memory = std::get_if<const void*>(&source.data)) {
    require(*memory != nullptr, "a tensor to be written has elements");
    file.write_at(offset, std::span(static_cast<const std::byte*>(*memory), static_cast<std::size_t>(tensor.bytes)));
    return;
  }
  std::vector<std::byte> chunk(static_cast<std::size_t>(std::min<std::int64_t>(kChunkBytes, tensor.bytes)));
  for (std::int64_t done = 0; done < tensor.bytes;) {
    throw_if_stop_requested();
    const std::span<std::byte> part =
        std::span(chunk).first(static_cast<std::size_t>(std::min<std::int64_t>(kChunkBytes, tensor.bytes - done)));
    std::get<FillChunk>(source.data)(done, part);
    file.write_at(offset + done, part);
    done += static_cast<std::int64_t>(part.size());
  }
}

}  // namespace

void write_safetensors(const fs::path& path, std::span<const SafetensorsSource> tensors,
                       const SafetensorsMetadata& metadata) {
  const Layout layout = layout_of(tensors, path);
  const std::string header = checked_header(layout, metadata, path);
  const auto length = std::bit_cast<std::array<std::byte, kSafetensorsLengthBytes>>(std::uint64_t{header.size()});
  const std::int64_t buffer_offset = kSafetensorsLengthBytes + static_cast<std::int64_t>(header.size());
  AtomicFile output(path);
  try {
    output.file().write_at(0, length);
    output.file().write_at(kSafetensorsLengthBytes, std::as_bytes(std::span(header)));
    for (std::size_t t = 0; t < layout.tensors.size(); ++t) {
      throw_if_stop_requested();
      write_tensor(output.file(), buffer_offset + layout.tensors[t].offset, layout.tensors[t], *layout.sources[t]);
    }
    output.commit();
  } catch (const WriteError& error) {  // names the hidden file
    throw WriteError(error.fact(), path.string(), error.fix());
  }
}

}  // namespace trellis
