// Writes the fuzzer's first inputs, in every layout that our writers make: hdf5_seeds DIRECTORY.
#include <filesystem>
#include <fmt/core.h>
#include <string>
#include <vector>

#include "checkpoint/state_file.h"
#include "hdf5/flat_file.h"

int main(int count, char** arguments) {
  using namespace trellis;
  if (count != 2) return 2;
  const std::filesystem::path directory = arguments[1];
  std::filesystem::create_directories(directory);
  // Links in messages; in a heap of one block; of several; under an index of two levels.
  for (const int tensors : {1, 2, 3, 7, 8, 9, 20, 47, 100}) {
    std::vector<TensorInfo> infos;
    for (int i = 0; i < tensors; ++i)
      infos.push_back({fmt::format("weights.{}", i), static_cast<ElementType>(i % 3),
                       std::vector<std::int64_t>(static_cast<std::size_t>(1 + i % 3), 1)});
    checkpoint::create_state_file(directory / fmt::format("state-{}.h5", tensors), infos);
  }
  std::vector<FlatDataset> tokens{{"tokens", Element::u32, 10}},
      vocabulary{{"word_bytes", Element::u8, 2}, {"word_offsets", Element::u64, 3}, {"counts", Element::u64, 2}},
      sequences{{"pixels", Element::u8, 3, 0, {5, 3}}, {"labels", Element::u8, 3}};
  create_flat_file(directory / "shard.h5", tokens,
                   {{"format", "trellis-shard"}, {"format_version", "1"}, {"vocabulary_hash", std::string(32, '0')}});
  create_flat_file(directory / "vocabulary.h5", vocabulary,
                   {{"format", "trellis-vocabulary"}, {"format_version", "1"}, {"unit", "byte"}});
  create_flat_file(directory / "sequences.h5", sequences,
                   {{"format", "trellis-sequence-shard"}, {"format_version", "1"}, {"classes", "10"}, {"mean", "0.5"}});
}
