// Checkpoints that are damaged, incomplete, mixed up or described by a manifest that lies: each must be refused with a
// message that says what is wrong.
#include <gmock/gmock.h>
#include <random>

#include "tests/checkpoint/hostile_checkpoint.h"

namespace trellis {
namespace {

using namespace testing_support;
using testing::HasSubstr;

using DamagedCheckpoint = HostileCheckpoint;

std::string repeated(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

std::string nested(int levels) { return repeated("{\"a\":", levels) + "0" + repeated("}", levels); }

TEST_F(DamagedCheckpoint, RefusesAMissingFolder) {
  const auto error = error_of<MissingInputError>([&] { CheckpointReader::open(world, root / "none", Verify::hash); });
  EXPECT_EQ(error.fact(), "there is no such checkpoint folder");
}

TEST_F(DamagedCheckpoint, RefusesAFolderWithoutManifest) {
  std::filesystem::create_directories(directory);
  const auto error = error_of<MissingInputError>([&] { CheckpointReader::open(world, directory, Verify::hash); });
  EXPECT_THAT(error.where(), HasSubstr("manifest.json"));
}

TEST_F(DamagedCheckpoint, RefusesAMissingStateFile) {
  write_sample(world, root, 1);
  std::filesystem::remove(state_file);
  const auto error = error_of<MissingInputError>([&] { CheckpointReader::open(world, directory, Verify::hash); });
  EXPECT_THAT(error.where(), HasSubstr("state.h5"));
}

TEST_F(DamagedCheckpoint, RefusesOneFlippedBitAnywhere) {
  write_sample(world, root, 1);
  for (const auto& file : {state_file, manifest_file}) {
    const std::string good = bytes_of_file(file);
    std::mt19937 random(7);
    for (int trial = 0; trial < 40; ++trial) {
      std::string bad = good;
      const std::size_t at = trial == 0 ? 0 : trial == 1 ? good.size() - 1 : random() % good.size();
      bad[at] = static_cast<char>(bad[at] ^ (1 << random() % 8));
      overwrite(file, bad);
      EXPECT_THROW(CheckpointReader::open(world, directory, Verify::hash), DataError) << file << " byte " << at;
    }
    overwrite(file, good);
  }
  EXPECT_TRUE(holds_sample(CheckpointReader::open(world, directory, Verify::hash)));
}

TEST_F(DamagedCheckpoint, RefusesAFileCutShortEvenWithoutHashing) {
  write_sample(world, root, 1);
  const auto size = std::filesystem::file_size(state_file);
  std::filesystem::resize_file(state_file, size - 4096);
  EXPECT_EQ(refusal(Verify::structure).fact(),
            "the file has " + std::to_string(size - 4096) + " bytes, expected " + std::to_string(size));
}

TEST_F(DamagedCheckpoint, RefusesAManifestCutShort) {
  write_sample(world, root, 1);
  const std::string text = bytes_of_file(manifest_file);
  for (std::size_t size = 0; size < text.size(); size += 101) {
    overwrite(manifest_file, text.substr(0, size));
    EXPECT_THROW(CheckpointReader::open(world, directory, Verify::hash), DataError) << size;
  }
}

TEST_F(DamagedCheckpoint, RefusesTheStateOfAnotherStep) {
  write_sample(world, root, 1);
  write_sample(world, root, 2);
  std::filesystem::copy_file(root / "step-0000000002/state.h5", state_file,
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_THAT(refusal().fact(), HasSubstr("the file is damaged: its hash is"));
}

TEST_F(DamagedCheckpoint, RefusesAFolderNamedForAnotherStep) {
  write_sample(world, root, 2);
  std::filesystem::rename(root / "step-0000000002", directory);
  EXPECT_EQ(refusal().fact(), "the folder is named for step 1, but its manifest is of step 2");
}

TEST_F(DamagedCheckpoint, RefusesASymbolicLinkInPlaceOfTheFile) {
  write_sample(world, root, 1);
  std::filesystem::rename(state_file, root / "elsewhere.h5");
  std::filesystem::create_symlink(root / "elsewhere.h5", state_file);
  error_of<DataError>([&] { CheckpointReader::open(world, directory, Verify::hash); });
}

TEST_F(DamagedCheckpoint, RefusesAManifestThatIsNone) {
  std::filesystem::create_directories(directory);
  overwrite(manifest_file, "{}");
  EXPECT_EQ(refusal().fact(), "not the manifest of a trellis checkpoint");
}

TEST_F(DamagedCheckpoint, RefusesAnotherFormatVersion) {
  EXPECT_EQ(refusal_of_manifest("\"format_version\": 1", "\"format_version\": 2").fact(),
            "the checkpoint has format version 2, this program reads version 1");
}

TEST_F(DamagedCheckpoint, TheLongestListOfTensorsLoads) {
  checkpoint::Manifest manifest;
  for (std::size_t t = 0; t < checkpoint::kMostTensors; ++t)
    manifest.tensors.push_back({"weights." + std::to_string(t), ElementType::float32, std::vector<std::int64_t>(8, 1)});
  manifest.state_bytes = std::int64_t{1} << 40;
  manifest.state_hash = std::string(32, '0');
  manifest.state = nlohmann::json::object();
  EXPECT_EQ(checkpoint::parse_manifest(checkpoint::manifest_text(manifest), "m").tensors, manifest.tensors);
}

TEST_F(DamagedCheckpoint, RefusesManifestsThatLie) {
  const std::vector<std::array<std::string, 3>> lies = {
      {"\"state.h5\"", "\"../state.h5\"", "'files[0].name' is \"../state.h5\", expected state.h5"},
      {"\"step\": 1", "\"step\": -1", "'step' is -1, expected 0 to 9223372036854775807"},
      {"\"step\": 1", "\"step\": 1e3", "'step' is 1000.0, expected a whole number"},
      {"\"step\": 1", "\"step\": 1.0", "'step' is 1.0, expected a whole number"},
      {"\"step\": 1", "\"step\": 1, \"step\": 1", "has the key \"step\" twice in one object"},
      {"\"step\": 1", "\"stop\": 1, \"step\": 1", "'stop' is not a key of this format"},
      {"\"step\": 1", "\"stop\": 1", "'step' is missing"},
      {"\"format_version\": 1", "\"format_version\": 1.0", "format version 1.0, this program reads version 1"},
      {"\"float64\"", "\"float16\"", "'tensors[1].type' is \"float16\", expected"},
      {"\"loss_scale\"", "\"model.bias\"", "is model.bias a second time"},
      {"\"loss_scale\"", "\"../../etc\"", "a tensor's name must be"},
      {"301", "0", "has a dimension of 0"},
      {"301", "9223372036854775807", "claims more than 2^62 bytes"},
      {"301", "18446744073709551615", "holds what is no whole number below 2^63"},
      {"301", "301.5", "holds what is no whole number below 2^63"},
      {"301", "4000000000", "'tensors' have more bytes than state.h5 has"},
      {"\"windows\": 12", "\"windows\": 12,", "is not valid JSON"},
      {"\"windows\": 12", "\"windows\": \"\xff\"", "is not valid JSON"},
      {"\"windows\": 12", std::string("\"windows\": 1\0002", 14), "it has a NUL"},
      {"\"windows\": 12", "\"windows\": " + std::string(100'000, '[') + std::string(100'000, ']'), "is nested deeper than 16 levels"},
      {"\"windows\": 12", "\"windows\": " + nested(100'000), "is nested deeper than 16 levels"},
      {"\"windows\": 12", "\"windows\": [0" + repeated(",0", 2'000'000) + "]", "has more than 1500000 values"},
  };
  for (const auto& [from, to, message] : lies) EXPECT_THAT(refusal_of_manifest(from, to).fact(), HasSubstr(message));
}

}  // namespace
}  // namespace trellis
