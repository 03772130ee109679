#include "tests/checkpoint/sample_helpers.h"

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "plan/row_partition.h"

namespace trellis::testing_support {

namespace fs = std::filesystem;

std::vector<TensorInfo> sample_tensors(std::int64_t large_rows) {
  return {{"model.embedding", ElementType::float32, {large_rows, 1000}},
          {"model.bias", ElementType::float64, {7}},
          {"adam.first.kernel", ElementType::float32, {64, 3, 33}},
          {"loss_scale", ElementType::float64, {1}},
          {"lanes.cursor", ElementType::int64, {2, 5}}};
}

std::vector<std::byte> sample_rows(const TensorInfo& tensor, Range rows, std::int64_t step) {
  const std::int64_t width = tensor.row_bytes() / element_bytes(tensor.type);
  std::vector<std::byte> bytes(static_cast<std::size_t>(rows.size() * tensor.row_bytes()));
  std::byte* at = bytes.data();
  for (std::int64_t i = rows.begin * width; i < rows.end * width; ++i) {
    const std::int64_t value = i * 7 + step * 1000 + static_cast<std::int64_t>(tensor.name.size());
    const auto put = [&](auto element) {
      std::memcpy(at, &element, sizeof element);
      at += sizeof element;
    };
    switch (tensor.type) {
      case ElementType::float32:
        put(static_cast<float>(value) / 8);
        break;
      case ElementType::float64:
        put(static_cast<double>(value) / 8);
        break;
      case ElementType::int64:
        put(value);
        break;
    }
  }
  return bytes;
}

SampleSlices::SampleSlices(const Communicator& communicator, std::vector<TensorInfo> tensors, std::int64_t step) {
  std::vector<RowBlock> blocks;
  for (const TensorInfo& tensor : tensors) blocks.push_back({tensor.rows(), tensor.row_bytes()});
  const std::vector<Range> ranges = partition_rows(blocks, communicator.size(), communicator.rank());
  for (std::size_t t = 0; t < tensors.size(); ++t) {
    data_.push_back(sample_rows(tensors[t], ranges[t], step));
    slices_.push_back({tensors[t].name, tensors[t].type, tensors[t].shape, {{ranges[t], data_.back().data()}}});
  }
}

WriteReport write_sample(const Communicator& communicator, const fs::path& root, std::int64_t step,
                         const nlohmann::json& state, std::int64_t large_rows) {
  const SampleSlices sample(communicator, sample_tensors(large_rows), step);
  return write_checkpoint(communicator, root, step, sample.slices(), state);
}

bool holds_sample(const CheckpointReader& reader, std::int64_t large_rows) {
  if (reader.tensors() != sample_tensors(large_rows)) return false;
  for (const TensorInfo& tensor : reader.tensors()) {
    std::vector<std::byte> bytes(static_cast<std::size_t>(tensor.bytes()));
    reader.read(tensor.name, {0, tensor.rows()}, bytes.data());
    if (bytes != sample_rows(tensor, {0, tensor.rows()}, reader.step())) return false;
  }
  return true;
}

SharedFolder::SharedFolder(const Communicator& communicator) : communicator_(communicator) {
  std::string name;
  if (communicator.rank() == 0) {
    name = (fs::temp_directory_path() / "trellis-checkpoint-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a folder for the test");
  }
  path_ = communicator.broadcast(name, 0);
}

SharedFolder::~SharedFolder() {
  communicator_.barrier();
  std::error_code ignored;
  if (communicator_.rank() == 0) fs::remove_all(path_, ignored);
}

std::string bytes_of_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot open " + path.string());
  return {std::istreambuf_iterator<char>(file), {}};
}

void overwrite(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

}  // namespace trellis::testing_support
