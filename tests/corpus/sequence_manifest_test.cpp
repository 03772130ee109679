#include "corpus/sequence_manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/corpus/sequence_fixture.h"

namespace trellis {
namespace {

using namespace testing_support;
using nlohmann::json;
using testing::HasSubstr;

const std::string kHash(32, 'a');

SequenceManifest good() {
  SequenceManifest manifest{"test", {1024, 3, 10, {{0.5, 0.25, 1}, {0.5, 0.5, 2}}}, {}};
  manifest.splits["train"] = {30, {{"train-00000.h5", 20, 64000, kHash}, {"train-00001.h5", 10, 32000, kHash}}};
  manifest.splits["test"] = {5, {{"test-00000.h5", 5, 17000, kHash}}};
  return manifest;
}

TEST(SequenceManifest, ReadsBackWhatWasWritten) {
  EXPECT_EQ(parse_sequence_manifest(manifest_text(good()), "m"), good());
  const TemporaryDirectory directory;
  write_manifest(directory.path(), good());
  EXPECT_EQ(read_sequence_manifest(directory.path()), good());
}

struct Change {
  const char *pointer, *value, *message;  // value as JSON text
};
constexpr Change kChanges[] = {
    {"/format", R"("other")", "'format' is not 'trellis-sequences': this is no corpus"},
    {"/format_version", "2", "'format_version' is not 1, the version that this program reads"},
    {"/steps", "0", "'steps' is 0, expected 1 to 1048576"},
    {"/steps", "1048577", "'steps' is 1048577, expected 1 to 1048576"},
    {"/channels", "9", "'channels' is 9, expected 1 to 8"},
    {"/channels", "2", "'mean' has 3 numbers, expected 2, one a channel"},
    {"/classes", "1", "'classes' is 1, expected 2 to 256"},
    {"/classes", "257", "'classes' is 257, expected 2 to 256"},
    {"/mean", "0.5", "'mean' is number, expected a list of numbers"},
    {"/mean", R"([0.5, "a", 1])", "'mean[1]' is string, expected a number"},
    {"/std", "[1, 1]", "'std' has 2 numbers, expected 3, one a channel"},
    {"/std", "[1, 0, 1]", "'std' holds 0, expected numbers above 0"},
    {"/unit", R"("word")", "'unit' is not a key of this format"},
    {"/splits", "{}", "'splits' is empty"},
    {"/splits/dev", "{}", "'splits.dev' is not train, valid or test"},
    {"/splits/train/sequences", "31", "'splits.train.sequences' is 31, but the shards have 30 together"},
    {"/splits/train/sequences", "2147483649", "'splits.train.sequences' is 2147483649, expected 1 to 2147483648"},
    {"/splits/train/shards", "[]", "'splits.train.shards' is not a list of shards"},
    {"/splits/train/shards/0/file", R"("../../elsewhere.h5")", "expected a plain file name"},
    {"/splits/train/shards/0/file", R"("manifest.json")",
     "'splits.train.shards[0].file' is 'manifest.json' a second time"},
    {"/splits/train/shards/0/sequences", "0", "'splits.train.shards[0].sequences' is 0, expected 1 to"},
    {"/splits/train/shards/0/xxh3_128", R"("zz")", "'splits.train.shards[0].xxh3_128' is not a hash"},
};

TEST(SequenceManifest, RefusesWhatIsNotExactlyAManifest) {
  for (const auto& [pointer, value, message] : kChanges) {
    json changed = json::parse(manifest_text(good()));
    changed[json::json_pointer(pointer)] = json::parse(value);
    const std::string said = error_of([&] { parse_sequence_manifest(changed.dump(), "corpus/manifest.json"); });
    EXPECT_THAT(said, HasSubstr("65: manifest: ")) << pointer;
    EXPECT_THAT(said, HasSubstr(message)) << pointer;
    EXPECT_THAT(said, HasSubstr("where: corpus/manifest.json")) << pointer;
  }
}

TEST(SequenceManifest, RefusesEveryMissingKey) {
  const json whole = json::parse(manifest_text(good()));
  for (const auto& [key, _] : whole.items()) {
    json changed = whole;
    changed.erase(key);
    EXPECT_THAT(error_of([&, text = changed.dump()] { parse_sequence_manifest(text, "m"); }),
                HasSubstr("65: manifest: '" + key + "' is"));
  }
}

TEST(SequenceManifest, SurvivesEverySingleBytePutWrong) {
  const std::string text = manifest_text(good());
  for (std::size_t at = 0; at < text.size(); ++at)
    for (const char byte : {'\0', '"', '{', '9', '-', '\xFF'}) {
      std::string changed = text;
      changed[at] = byte;
      // right or refused, never another exception
      const std::string said = error_of([&] { parse_sequence_manifest(changed, "m"); });
      EXPECT_TRUE(said == "no error" || said.starts_with("65: ")) << said;
    }
}

}  // namespace
}  // namespace trellis
