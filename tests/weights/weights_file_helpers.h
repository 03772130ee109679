// Safetensors files for tests: a table of tensors that a test may spoil before it is written.
#pragma once

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "weights/safetensors.h"
#include "weights/safetensors_writer.h"

namespace trellis::testing_support {

class WeightsFiles : public testing::Test {
 protected:
  WeightsFiles() {
    std::string name = (std::filesystem::temp_directory_path() / "trellis-weights-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) ADD_FAILURE() << "no folder for the test";
    folder_ = name;
  }
  ~WeightsFiles() override { std::filesystem::remove_all(folder_); }

  // float64, float32, float16, bfloat16 or int64
  SafetensorsFile written(const std::map<std::string, at::Tensor>& tensors) {
    const std::map<at::ScalarType, SafetensorsDtype> types{{at::kDouble, SafetensorsDtype::f64}, {at::kFloat, SafetensorsDtype::f32},
                                                           {at::kHalf, SafetensorsDtype::f16},   {at::kBFloat16, SafetensorsDtype::bf16},
                                                           {at::kLong, SafetensorsDtype::i64}};
    std::vector<at::Tensor> kept;
    std::vector<SafetensorsSource> sources;
    for (const auto& [name, tensor] : tensors) {
      kept.push_back(tensor.contiguous());
      sources.push_back({name, types.at(tensor.scalar_type()), tensor.sizes().vec(), kept.back().const_data_ptr()});
    }
    const std::filesystem::path path = folder_ / std::to_string(files_++);
    write_safetensors(path, sources);
    return SafetensorsFile::open(path);
  }
  std::filesystem::path text_file(const std::string& text) {
    const std::filesystem::path path = folder_ / std::to_string(files_++);
    std::ofstream(path) << text;
    return path;
  }

  std::filesystem::path folder_;
  int files_ = 0;
};

// The error of type E that `call` throws.
template <class E, class Call>
std::string error_of(Call&& call) {
  try {
    call();
  } catch (const E& error) {
    return error.what();
  }
  ADD_FAILURE() << "no such error";
  return "";
}

}  // namespace trellis::testing_support
