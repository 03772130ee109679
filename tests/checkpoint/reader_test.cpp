#include "checkpoint/reader.h"

#include <gmock/gmock.h>

#include "base/errors.h"
#include "tests/checkpoint/one_rank.h"
#include "tests/source_folder.h"

namespace trellis {
namespace {

using namespace testing_support;
using testing::HasSubstr;

using Reader = OneRank;

TEST_F(Reader, ReadsAnyRangeOfRows) {
  write_sample(world, root, 6);
  const auto reader = CheckpointReader::open(world, root / "step-0000000006", Verify::hash);
  for (const TensorInfo& tensor : reader.tensors())
    for (const Range rows :
         {Range{0, 0}, Range{0, 1}, Range{tensor.rows() - 1, tensor.rows()}, Range{0, tensor.rows()}}) {
      std::vector<std::byte> bytes(static_cast<std::size_t>(rows.size() * tensor.row_bytes()));
      reader.read(tensor.name, rows, bytes.data());
      EXPECT_EQ(bytes, sample_rows(tensor, rows, 6)) << tensor.name;
    }
  std::vector<std::byte> bytes(100000);
  EXPECT_THROW(reader.read("model.bias", {0, 8}, bytes.data()), InternalError);
}

TEST_F(Reader, AcceptsATrailingSlashAndAnyFolderName) {
  write_sample(world, root, 6);
  std::filesystem::rename(root / "step-0000000006", root / "the best");
  EXPECT_EQ(CheckpointReader::open(world, root / "the best/", Verify::hash).step(), 6);
}

TEST_F(Reader, NamesBothShapesWhenTheModelDiffers) {
  write_sample(world, root, 6);
  const auto reader = CheckpointReader::open(world, root / "step-0000000006", Verify::structure);
  EXPECT_NO_THROW(reader.expect({"model.bias", ElementType::float64, {7}}));
  EXPECT_EQ(error_of<DataError>([&] {
              reader.expect({"model.bias", ElementType::float32, {8, 2}});
            }).fact(),
            "tensor model.bias: expected float32 [8, 2], the checkpoint has float64 [7]");
  EXPECT_EQ(error_of<DataError>([&] {
              reader.expect({"model.gain", ElementType::float32, {8}});
            }).fact(),
            "the checkpoint holds no tensor \"model.gain\"");
  EXPECT_TRUE(reader.contains("model.bias"));
  EXPECT_FALSE(reader.contains("model.gain"));
}

TEST_F(Reader, GivesTheStateBackExactly) {
  const nlohmann::json state = {{"loss", 0.1 + 0.2},
                                {"big", INT64_MAX},
                                {"text", "\"manifest_xxh3_128\": \"\xc3\xa9"},
                                {"deep", {{"a", {1, 2, 3}}}}};
  write_sample(world, root, 1, state);
  EXPECT_EQ(CheckpointReader::open(world, root / "step-0000000001", Verify::hash).state(), state);
}

// The folder golden/ was written by this program when format version 1 was made. It must be read for ever, and as long
// as the version is 1 the same tensors must give the same bytes.
TEST_F(Reader, ReadsTheGoldenCheckpoint) {
  const auto golden = source_folder() / "tests/checkpoint/golden/step-0000000007";
  const auto reader = CheckpointReader::open(world, golden, Verify::hash);
  EXPECT_TRUE(holds_sample(reader, 3));
  EXPECT_EQ(reader.state(), nlohmann::json({{"windows", 12}, {"note", "golden"}}));
}

TEST_F(Reader, TheWriterStillGivesTheGoldenBytes) {
  const auto golden = source_folder() / "tests/checkpoint/golden/step-0000000007";
  const auto report = write_sample(world, root, 7, {{"windows", 12}, {"note", "golden"}}, 3);
  EXPECT_EQ(bytes_of_file(report.path / "state.h5"), bytes_of_file(golden / "state.h5"));
  // the manifest too, but for the libraries' versions, which its own hash covers
  const auto comparable = [](const std::filesystem::path& directory) {
    auto text = bytes_of_file(directory / "manifest.json");
    text.resize(text.find("\"libraries\""));
    const std::string key = "\"manifest_xxh3_128\": \"";
    return text.erase(text.find(key) + key.size(), 32);
  };
  EXPECT_EQ(comparable(report.path), comparable(golden));
}

}  // namespace
}  // namespace trellis
