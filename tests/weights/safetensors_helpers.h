// Safetensors files put together by hand, and what a reader says of them.
#pragma once

#include <bit>
#include <cstring>
#include <gmock/gmock.h>
#include <span>
#include <string>
#include <vector>

#include "tests/corpus/corpus_fixture.h"
#include "weights/safetensors.h"
#include "weights/safetensors_writer.h"

namespace trellis::testing_support {

// The bytes of a file: the length that it claims for its header, the header, the tensors' bytes.
inline std::string safetensors_file(const std::string& header, const std::string& data, std::uint64_t claimed) {
  std::string length(8, '\0');
  std::memcpy(length.data(), &claimed, length.size());
  return length + header + data;
}
inline std::string safetensors_file(const std::string& header, const std::string& data) {
  return safetensors_file(header, data, header.size());
}

template <class Element>
std::string bytes_of(const std::vector<Element>& elements) {
  return {reinterpret_cast<const char*>(elements.data()), elements.size() * sizeof(Element)};
}

// A tensor as it is stored.
inline std::string stored_bytes(const SafetensorsFile& file, const std::string& name) {
  std::string bytes(static_cast<std::size_t>(file.tensor(name).bytes), '\0');
  file.read(name, std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

template <class Number>
std::vector<Number> numbers(const SafetensorsFile& file, const std::string& name) {
  std::vector<Number> into(static_cast<std::size_t>(file.tensor(name).elements()));
  file.read(name, std::span(into));
  return into;
}

}  // namespace trellis::testing_support
