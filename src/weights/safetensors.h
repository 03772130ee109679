// Reads safetensors files, the format in which weights are exchanged with other tools. A file is treated as hostile:
// its whole header is checked when it is opened (weights/safetensors_header.h), before memory is taken for anything
// else. Written by weights/safetensors_writer.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "storage/file.h"
#include "weights/safetensors_header.h"

namespace trellis {

class SafetensorsFile {
 public:
  // Throws MissingInputError (66) when the file is not there or may not be opened, DataError (65) when it is no regular
  // file or anything in it is not as the format has it. A symbolic link is followed.
  static SafetensorsFile open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return file_.path(); }
  const std::vector<SafetensorsTensor>& tensors() const { return header_.tensors; }  // in the order of their bytes
  const SafetensorsMetadata& metadata() const { return header_.metadata; }
  bool contains(const std::string& name) const { return index_.contains(name); }
  // Throws DataError when there is no tensor of that name.
  const SafetensorsTensor& tensor(const std::string& name) const;

  // Read a whole tensor, row-major; `into` has exactly its bytes or elements, else InternalError. Throw DataError when
  // there is no such tensor or the file has become shorter. May be called from several threads.
  //   bytes          of any type, as they are in the file: little-endian
  //   float, double  from F64, F32, F16 or BF16, as IEEE 754 converts: F64 is rounded to the nearest float, ties to
  //                  even, and becomes infinite beyond its range; a NaN stays one; elements of the type asked for keep
  //                  their bits. DataError for every other type.
  void read(const std::string& name, std::span<std::byte> into) const;
  void read(const std::string& name, std::span<float> into) const;
  void read(const std::string& name, std::span<double> into) const;

 private:
  SafetensorsFile(File file, SafetensorsHeader header, std::int64_t buffer_offset);
  void read_bytes(const SafetensorsTensor& tensor, std::int64_t offset, std::span<std::byte> into) const;
  template <class Stored, class Number>
  void convert(const SafetensorsTensor& tensor, std::span<Number> into) const;
  template <class Number>
  void read_numbers(const SafetensorsTensor& tensor, std::span<Number> into) const;

  File file_;
  SafetensorsHeader header_;
  std::int64_t buffer_offset_;  // of the tensors' first byte in the file
  std::map<std::string, std::size_t, std::less<>> index_;
};

}  // namespace trellis
