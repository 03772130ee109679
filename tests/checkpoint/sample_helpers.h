// A small checkpoint that every test can make and recognise: the elements are a function of tensor, row and step alone.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/reader.h"
#include "checkpoint/writer.h"

namespace trellis::testing_support {

// Scalars, tensors with fewer rows than ranks, one that no rank count divides, one of `large_rows` rows x 1000 float32.
std::vector<TensorInfo> sample_tensors(std::int64_t large_rows = 301);

// Rows of sample tensors in memory, as a writer takes them.
class SampleSlices {
 public:
  // Deals the tensors' rows to the communicator's ranks with partition_rows.
  SampleSlices(const Communicator& communicator, std::vector<TensorInfo> tensors, std::int64_t step);
  const std::vector<TensorSlice>& slices() const { return slices_; }
  std::vector<TensorSlice>& slices() { return slices_; }

 private:
  std::vector<std::vector<std::byte>> data_;
  std::vector<TensorSlice> slices_;
};

// The bytes of rows [begin, end) of a sample tensor.
std::vector<std::byte> sample_rows(const TensorInfo& tensor, Range rows, std::int64_t step);

// Writes a sample checkpoint with all the communicator's ranks.
WriteReport write_sample(const Communicator& communicator, const std::filesystem::path& root, std::int64_t step,
                         const nlohmann::json& state = {{"windows", 12}, {"note", "sample"}},
                         std::int64_t large_rows = 301);

// True if every tensor of the checkpoint, read whole, is the sample's of the checkpoint's step.
bool holds_sample(const CheckpointReader& reader, std::int64_t large_rows = 301);

// An empty folder that all ranks share, removed at the end of its life (by rank 0, after all have arrived there).
class SharedFolder {
 public:
  explicit SharedFolder(const Communicator& communicator);
  SharedFolder(const SharedFolder&) = delete;
  ~SharedFolder();
  const std::filesystem::path& path() const { return path_; }

 private:
  const Communicator& communicator_;
  std::filesystem::path path_;
};

std::string bytes_of_file(const std::filesystem::path& path);
void overwrite(const std::filesystem::path& path, const std::string& bytes);

}  // namespace trellis::testing_support
