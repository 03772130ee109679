#include "weights/safetensors_header.h"

#include <algorithm>
#include <fmt/core.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>
#include <utility>

#include "base/errors.h"
#include "base/json_document.h"

namespace trellis {
namespace {

using namespace checkpoint;
using nlohmann::json;

constexpr const char* kMetadataKey = "__metadata__";
constexpr const char* kMakeAgain = "the file is damaged or no safetensors file: get it again, or make it again";

// Bytes that a terminal acts on instead of showing: C0, DEL, and C1 in UTF-8 (C2 80 to C2 9F).
bool has_control_characters(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const auto next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0;
    if (byte < 0x20 || byte == 0x7f || (byte == 0xc2 && next >= 0x80 && next < 0xa0)) return true;
  }
  return false;
}

// Takes the parser's events one by one and knows what may come at each place, so nothing that the format does not have
// is ever kept, and nothing nests deeper than the format does: the first wrong event is the error.
class HeaderParser final : public nlohmann::json_sax<json> {
 public:
  explicit HeaderParser(const std::string& where) : where_(where) {}
  SafetensorsHeader header;

  bool null() override { return wrong("null"); }
  bool boolean(bool value) override { return wrong(value ? "true" : "false"); }
  // called for what begins with a minus
  bool number_integer(std::int64_t value) override { return wrong(value == 0 ? "-0" : std::to_string(value)); }
  bool number_float(double, const std::string& text) override { return wrong(text.substr(0, 40)); }
  bool binary(json::binary_t&) override { return wrong("binary"); }

  bool number_unsigned(std::uint64_t value) override {
    const bool fits = value <= static_cast<std::uint64_t>(INT64_MAX);
    if (!fits || (place_ != Place::in_shape && place_ != Place::in_offsets)) return wrong(std::to_string(value));
    const bool is_shape = place_ == Place::in_shape;
    if (is_shape && tensor_.shape.size() == kMostSafetensorsDimensions)
      fail_tensor(fmt::format("shape has more than {} dimensions", kMostSafetensorsDimensions));
    if (!is_shape && offsets_.size() == 2) fail_tensor("data_offsets has more than 2 entries, expected begin and end");
    (is_shape ? tensor_.shape : offsets_).push_back(static_cast<std::int64_t>(value));
    return true;
  }

  bool string(std::string& value) override {
    if (place_ == Place::metadata_value) {
      header.metadata.emplace(key_, std::move(value));
      place_ = Place::in_metadata;
      return true;
    }
    if (place_ != Place::dtype) return wrong(shown(value));
    const auto dtype = safetensors_dtype_named(value);
    if (!dtype)
      fail_tensor(fmt::format("dtype is {}, which the format does not have", shown(value)),
                  "write the tensor as F64, F32, F16 or BF16");
    tensor_.dtype = *dtype;
    place_ = Place::entry;
    return true;
  }

  bool start_object(std::size_t) override {
    if (place_ == Place::document)
      place_ = Place::root;
    else if (place_ == Place::tensor)
      place_ = Place::entry;
    else if (place_ == Place::metadata)
      place_ = Place::in_metadata;
    else
      return wrong("an object");
    return true;
  }

  bool key(std::string& key) override {
    if (place_ == Place::root)
      begin_entry(key);
    else if (place_ == Place::entry)
      begin_member(key);
    else
      begin_metadata_value(key);
    return true;
  }

  bool end_object() override {
    if (place_ == Place::entry) end_entry();
    place_ = place_ == Place::root ? Place::document : Place::root;
    return true;
  }

  bool start_array(std::size_t) override {
    if (place_ != Place::shape && place_ != Place::offsets) return wrong("a list");
    place_ = place_ == Place::shape ? Place::in_shape : Place::in_offsets;
    return true;
  }

  bool end_array() override {
    place_ = Place::entry;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    fail(fmt::format("the header is no valid JSON at its byte {}: {}", position, shown(std::string(parse_reason(error)))));
  }

 private:
  // where the next event belongs: a value of the named member, or (in_...) the inside of the list or object
  enum class Place {
    document,
    root,
    tensor,
    entry,
    dtype,
    shape,
    in_shape,
    offsets,
    in_offsets,
    metadata,
    in_metadata,
    metadata_value
  };

  [[noreturn]] void fail(const std::string& what, const char* fix = kMakeAgain) const {
    throw DataError(what, where_, fix);
  }
  [[noreturn]] void fail_tensor(const std::string& what, const char* fix = kMakeAgain) const {
    fail(fmt::format("tensor {}: {}", shown(tensor_.name), what), fix);
  }

  bool wrong(const std::string& found) const {
    constexpr const char* number = "a whole number from 0 to 2^63 - 1";
    switch (place_) {
      case Place::tensor:
        fail_tensor(fmt::format("is {}, expected an object of dtype, shape and data_offsets", found));
      case Place::dtype:
        fail_tensor(fmt::format("dtype is {}, expected the name of a type, like \"F32\"", found));
      case Place::shape:
        fail_tensor(fmt::format("shape is {}, expected a list of whole numbers", found));
      case Place::in_shape:
        fail_tensor(fmt::format("shape[{}] is {}, expected {}", tensor_.shape.size(), found, number));
      case Place::offsets:
        fail_tensor(fmt::format("data_offsets is {}, expected a list of two whole numbers", found));
      case Place::in_offsets:
        fail_tensor(fmt::format("data_offsets[{}] is {}, expected {}", offsets_.size(), found, number));
      case Place::metadata:
        fail(fmt::format("{} is {}, expected an object of texts", kMetadataKey, found));
      case Place::metadata_value:
        fail(fmt::format("{}: {} is {}, expected a text", kMetadataKey, shown(key_), found));
      default:
        fail(fmt::format("the header is {}, expected an object of tensors", found));
    }
  }

  void begin_entry(std::string& name) {
    if (name == kMetadataKey) {
      if (std::exchange(metadata_seen_, true)) fail(fmt::format("{} occurs twice", kMetadataKey));
      place_ = Place::metadata;
      return;
    }
    if (name.size() > kLongestSafetensorsName)
      fail(fmt::format("the name of tensor {} has {} bytes, expected at most {}", shown(name), name.size(),
                       kLongestSafetensorsName),
           "give the tensor a shorter name");
    if (has_control_characters(name))
      fail(fmt::format("the name of tensor {} has control characters", shown(name)), "give the tensor a plain name");
    if (header.tensors.size() == kMostSafetensorsTensors)
      fail(fmt::format("the file has more than {} tensors", kMostSafetensorsTensors), "split it into several files");
    tensor_ = SafetensorsTensor{};
    tensor_.name = std::move(name);
    if (!names_.insert(tensor_.name).second) fail_tensor("occurs twice");
    members_.clear();
    offsets_.clear();
    place_ = Place::tensor;
  }

  void begin_member(const std::string& member) {
    if (member != "dtype" && member != "shape" && member != "data_offsets")
      fail_tensor(fmt::format("has {}, expected only dtype, shape and data_offsets", shown(member)));
    if (!members_.insert(member).second) fail_tensor(member + " occurs twice");
    place_ = member == "dtype" ? Place::dtype : member == "shape" ? Place::shape : Place::offsets;
  }

  void begin_metadata_value(std::string& key) {
    if (header.metadata.contains(key)) fail(fmt::format("{}: {} occurs twice", kMetadataKey, shown(key)));
    if (header.metadata.size() == kMostSafetensorsMetadata)
      fail(fmt::format("{} has more than {} entries", kMetadataKey, kMostSafetensorsMetadata), "leave some out");
    key_ = std::move(key);
    place_ = Place::metadata_value;
  }

  void end_entry() {
    for (const char* member : {"dtype", "shape", "data_offsets"})
      if (!members_.contains(member)) fail_tensor(fmt::format("has no {}", member));
    if (offsets_.size() != 2)
      fail_tensor(fmt::format("data_offsets has {} entries, expected begin and end", offsets_.size()));
    const std::int64_t begin = offsets_[0], end = offsets_[1];
    if (begin > end) fail_tensor(fmt::format("data_offsets are [{}, {}]: the end lies before the begin", begin, end));
    const auto bytes = safetensors_bytes(tensor_.dtype, tensor_.shape);
    if (!bytes)
      fail_tensor(fmt::format("{} [{}] is 2^60 bytes or more, a 0 not counted, or no whole number of bytes",
                              dtype_name(tensor_.dtype), fmt::join(tensor_.shape, ", ")));
    if (end - begin != *bytes)
      fail_tensor(fmt::format("data_offsets are [{}, {}], {} bytes, but {} [{}] takes {}", begin, end, end - begin,
                              dtype_name(tensor_.dtype), fmt::join(tensor_.shape, ", "), *bytes));
    tensor_.offset = begin;
    tensor_.bytes = *bytes;
    header.tensors.push_back(std::move(tensor_));
  }

  const std::string& where_;
  Place place_ = Place::document;
  bool metadata_seen_ = false;
  std::set<std::string, std::less<>> names_;
  std::string key_;                    // of the metadata that is read
  SafetensorsTensor tensor_;           // that is read
  std::set<std::string> members_;      // of it that were there
  std::vector<std::int64_t> offsets_;  // of it
};

// Puts the tensors in the order of their bytes; these must follow each other from the first byte to the last.
void order_and_check_tiling(std::vector<SafetensorsTensor>& tensors, std::int64_t buffer_bytes,
                            const std::string& where) {
  std::ranges::stable_sort(tensors, [](const SafetensorsTensor& a, const SafetensorsTensor& b) {
    return std::tie(a.offset, a.bytes) < std::tie(b.offset, b.bytes);
  });
  std::int64_t end = 0;
  for (const SafetensorsTensor& tensor : tensors) {
    if (tensor.offset != end)
      throw DataError(fmt::format("tensor {} begins at byte {} of the data, but those before it end at byte {}: {}",
                                  shown(tensor.name), tensor.offset, end,
                                  tensor.offset > end ? "the bytes between belong to no tensor" : "they share bytes"),
                      where, kMakeAgain);
    end += tensor.bytes;
  }
  if (end > buffer_bytes)
    throw DataError(fmt::format("the tensors take {} bytes, but only {} follow the header: the file is cut short", end,
                                buffer_bytes),
                    where, "get the file again: its end is missing");
  if (end < buffer_bytes)
    throw DataError(fmt::format("{} bytes follow the last tensor, expected none", buffer_bytes - end), where,
                    "get the file again: something was appended to it");
}

}  // namespace

std::int64_t SafetensorsTensor::elements() const { return bytes * 8 / dtype_bits(dtype); }

namespace checkpoint {

std::optional<std::int64_t> safetensors_bytes(SafetensorsDtype dtype, std::span<const std::int64_t> shape) {
  std::int64_t bits = dtype_bits(dtype);
  bool is_empty = false;
  for (const std::int64_t size : shape) {
    if (size == 0)
      is_empty = true;  // whoever computes strides multiplies the others all the same
    else if (__builtin_mul_overflow(bits, size, &bits))
      return std::nullopt;
  }
  if (is_empty) return 0;
  return bits % 8 == 0 ? std::optional(bits / 8) : std::nullopt;
}

SafetensorsHeader parse_safetensors_header(std::string_view text, std::int64_t buffer_bytes, const std::string& where) {
  if (!text.starts_with('{'))
    throw DataError(text.empty() ? "the header is empty, expected a JSON object"
                                 : fmt::format("the header begins with {}, expected {{", shown(text.substr(0, 1))),
                    where, kMakeAgain);
  // the JSON parser takes a NUL for the end of its input and would not look at what follows
  if (const auto at = text.find('\0'); at != std::string_view::npos)
    throw DataError(fmt::format("the header has a NUL at its byte {}", at), where, kMakeAgain);
  HeaderParser parser(where);
  json::sax_parse(text.begin(), text.end(), &parser);
  order_and_check_tiling(parser.header.tensors, buffer_bytes, where);
  return std::move(parser.header);
}

std::string safetensors_header_text(std::span<const SafetensorsTensor> tensors, const SafetensorsMetadata& metadata,
                                    const std::string& where) {
  try {
    std::string text = "{";
    if (!metadata.empty()) text += fmt::format("{}:{}", json(kMetadataKey).dump(), json(metadata).dump());
    for (const SafetensorsTensor& tensor : tensors)
      text += fmt::format("{}{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}",
                          text.size() > 1 ? "," : "", json(tensor.name).dump(), dtype_name(tensor.dtype),
                          fmt::join(tensor.shape, ","), tensor.offset, tensor.offset + tensor.bytes);
    text += '}';
    text.resize((text.size() + 7) / 8 * 8, ' ');
    return text;
  } catch (const json::exception&) {
    throw DataError("a tensor's name or the metadata is no UTF-8", where, "give all names and texts in UTF-8");
  }
}

std::string shown(std::string_view text) { return shown_json(text); }

}  // namespace checkpoint
}  // namespace trellis
