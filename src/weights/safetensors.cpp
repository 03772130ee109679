#include "weights/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <fmt/core.h>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "weights/narrow_floats.h"

namespace trellis {
namespace {

namespace fs = std::filesystem;
using namespace checkpoint;

static_assert(std::endian::native == std::endian::little, "numbers are read as the little-endian bytes of the file");

constexpr std::size_t kChunkElements = 1 << 16;  // that are converted at a time

struct F16 {
  std::uint16_t bits;
};
struct Bf16 {
  std::uint16_t bits;
};

// The casts are IEEE conversions: rounded to nearest, to infinity beyond the range.
template <class Number>
Number number_of(double value) {
  return static_cast<Number>(value);
}
template <class Number>
Number number_of(float value) {
  return static_cast<Number>(value);
}
template <class Number>
Number number_of(F16 value) {
  return static_cast<Number>(float_of_f16(value.bits));
}
template <class Number>
Number number_of(Bf16 value) {
  return static_cast<Number>(float_of_bf16(value.bits));
}

// The header's text, when the file has as many bytes as its first eight claim.
std::string header_text_of(const File& file, std::int64_t file_bytes) {
  const auto refuse = [&](std::string what, const char* fix) {
    throw DataError(std::move(what), file.path().string(), fix);
  };
  constexpr const char* convert =
      "this is no safetensors file, or it is damaged; PyTorch's own .pt and .bin files must be saved as safetensors "
      "first, with Python";
  if (file_bytes < kSafetensorsLengthBytes)
    refuse(fmt::format("the file has {} bytes, expected at least {}", file_bytes, kSafetensorsLengthBytes),
           "get the file again: it is empty or cut short");
  std::array<std::byte, kSafetensorsLengthBytes> length_bytes;
  file.read_at(0, length_bytes);
  const auto length = std::bit_cast<std::uint64_t>(length_bytes);
  if (length > static_cast<std::uint64_t>(kLargestSafetensorsHeader))
    refuse(fmt::format("the header claims {} bytes, expected at most {}", length, kLargestSafetensorsHeader), convert);
  const std::int64_t rest = file_bytes - kSafetensorsLengthBytes;
  if (static_cast<std::int64_t>(length) > rest)
    refuse(fmt::format("the header claims {} bytes, but the file ends after {} of them", length, rest),
           "get the file again: its end is missing, or it is no safetensors file");
  std::string text(static_cast<std::size_t>(length), '\0');
  file.read_at(kSafetensorsLengthBytes, std::as_writable_bytes(std::span(text.data(), text.size())));
  return text;
}

void check_size(const SafetensorsFile& file, const SafetensorsTensor& tensor, std::size_t given, std::int64_t held,
                const char* unit) {
  if (static_cast<std::int64_t>(given) != held)
    throw InternalError(
        fmt::format("tensor {} has {} {}, but memory for {} was given", shown(tensor.name), held, unit, given),
        file.path().string(), "this is a fault of the program: please report it");
}

}  // namespace

SafetensorsFile::SafetensorsFile(File file, SafetensorsHeader header, std::int64_t buffer_offset)
    : file_(std::move(file)), header_(std::move(header)), buffer_offset_(buffer_offset) {
  for (std::size_t t = 0; t < header_.tensors.size(); ++t) index_.emplace(header_.tensors[t].name, t);
}

SafetensorsFile SafetensorsFile::open(const fs::path& path) {
  File file = File::open_to_read(path, Links::follow);
  const std::int64_t file_bytes = file.size();
  const std::string text = header_text_of(file, file_bytes);
  const std::int64_t buffer_offset = kSafetensorsLengthBytes + static_cast<std::int64_t>(text.size());
  SafetensorsHeader header = parse_safetensors_header(text, file_bytes - buffer_offset, path.string());
  return SafetensorsFile(std::move(file), std::move(header), buffer_offset);
}

const SafetensorsTensor& SafetensorsFile::tensor(const std::string& name) const {
  const auto found = index_.find(name);
  if (found == index_.end())
    throw DataError(fmt::format("the file holds no tensor {} among its {}", shown(name), header_.tensors.size()),
                    path().string(), "use a file of the network that the settings describe, with the published names");
  return header_.tensors[found->second];
}

void SafetensorsFile::read_bytes(const SafetensorsTensor& tensor, std::int64_t offset,
                                 std::span<std::byte> into) const {
  const std::int64_t begin = buffer_offset_ + tensor.offset + offset;
  const std::size_t got = file_.read_some_at(begin, into);
  if (got < into.size())
    throw DataError(fmt::format("tensor {}: the file ends at byte {}, expected at least {}", shown(tensor.name),
                                begin + static_cast<std::int64_t>(got), begin + static_cast<std::int64_t>(into.size())),
                    path().string(), "something changed the file while it was read: leave it alone and try again");
}

template <class Stored, class Number>
void SafetensorsFile::convert(const SafetensorsTensor& tensor, std::span<Number> into) const {
  std::vector<Stored> chunk(std::min(kChunkElements, into.size()));
  for (std::size_t done = 0; done < into.size();) {
    const std::span<Stored> part = std::span(chunk).first(std::min(chunk.size(), into.size() - done));
    read_bytes(tensor, static_cast<std::int64_t>(done * sizeof(Stored)), std::as_writable_bytes(part));
    std::ranges::transform(part, into.begin() + static_cast<std::ptrdiff_t>(done),
                           [](Stored value) { return number_of<Number>(value); });
    done += part.size();
  }
}

template <class Number>
void SafetensorsFile::read_numbers(const SafetensorsTensor& tensor, std::span<Number> into) const {
  check_size(*this, tensor, into.size(), tensor.elements(), "elements");
  constexpr bool is_double = std::is_same_v<Number, double>;
  if (tensor.dtype == (is_double ? SafetensorsDtype::f64 : SafetensorsDtype::f32))
    return read_bytes(tensor, 0, std::as_writable_bytes(into));
  switch (tensor.dtype) {
    case SafetensorsDtype::f64:
      return convert<double>(tensor, into);
    case SafetensorsDtype::f32:
      return convert<float>(tensor, into);
    case SafetensorsDtype::f16:
      return convert<F16>(tensor, into);
    case SafetensorsDtype::bf16:
      return convert<Bf16>(tensor, into);
    default:
      throw DataError(fmt::format("tensor {} is of type {}, expected F64, F32, F16 or BF16", shown(tensor.name),
                                  dtype_name(tensor.dtype)),
                      path().string(), "convert the tensor to one of these types with the tool that wrote the file");
  }
}

void SafetensorsFile::read(const std::string& name, std::span<std::byte> into) const {
  const SafetensorsTensor& held = tensor(name);
  check_size(*this, held, into.size(), held.bytes, "bytes");
  read_bytes(held, 0, into);
}

void SafetensorsFile::read(const std::string& name, std::span<float> into) const { read_numbers(tensor(name), into); }

void SafetensorsFile::read(const std::string& name, std::span<double> into) const { read_numbers(tensor(name), into); }

}  // namespace trellis
