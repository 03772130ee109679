#include "corpus/corpus_manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/corpus/corpus_fixture.h"

namespace trellis {
namespace {

using namespace testing_support;
using nlohmann::json;
using testing::HasSubstr;

const std::string kHash(32, 'a');

Manifest good() {
  Manifest manifest;
  manifest.written_by = "test";
  manifest.vocabulary = {"vocabulary.h5", 10, 5000, kHash, std::string(32, 'b')};
  manifest.splits["train"] = {30, 2, {{"train-00000.h5", 20, 4176, kHash}, {"train-00001.h5", 10, 4136, kHash}}};
  manifest.splits["train"].text = TextSize{170, 160};
  manifest.splits["valid"] = {5, 0, {{"valid-00000.h5", 5, 4116, kHash}}};
  return manifest;
}

TEST(Manifest, ReadsBackWhatWasWritten) {
  EXPECT_EQ(parse_manifest(manifest_text(good()), "m"), good());
  const TemporaryDirectory directory;
  write_manifest(directory.path(), good());
  EXPECT_EQ(read_manifest(directory.path()), good());
}

TEST(Manifest, SizesOfTheTextAreThereAsFarAsTheyAreKnown) {
  Manifest bytes = good();
  bytes.splits["valid"].text = TextSize{5, std::nullopt};
  EXPECT_EQ(parse_manifest(manifest_text(bytes), "m"), bytes);
  json old = json::parse(manifest_text(good()));  // version 1 had none
  old["format_version"] = 1;
  old["splits"]["train"].erase("text_bytes");
  old["splits"]["train"].erase("text_characters");
  Manifest without = good();
  without.splits["train"].text.reset();
  EXPECT_EQ(parse_manifest(old.dump(), "m"), without);
}

TEST(Manifest, OfManyShardsIsRead) {
  Manifest many = good();
  SplitEntry& split = many.splits["train"];
  split = {100'000, 0, {}};
  for (int i = 0; i < 100'000; ++i) split.shards.push_back({shard_file_name("train", i), 1, 4100, kHash});
  EXPECT_EQ(parse_manifest(manifest_text(many), "m"), many);
}

// What parsing says of the good manifest after the JSON patch at `pointer`.
std::string with(const std::string& pointer, const json& value) {
  json changed = json::parse(manifest_text(good()));
  changed[json::json_pointer(pointer)] = value;
  return error_of([&] { parse_manifest(changed.dump(), "corpus/manifest.json"); });
}

struct Change {
  const char *pointer, *value, *message;  // value as JSON text
};
constexpr Change kChanges[] = {
    {"/format", R"("other")", "'format' is not 'trellis-corpus': this is no corpus"},
    {"/format_version", "3", "'format_version' is not 1 to 2, the versions that this program reads"},
    {"/format_version", "2.0", "'format_version' is not 1 to 2, the versions that this program reads"},
    {"/format_version", "1", "'splits.train.text_bytes' is not a key of this format"},
    {"/splits/train/text_bytes", "0", "'splits.train.text_bytes' is 0, expected 1 to"},
    {"/splits/train/text_bytes", "100", "'splits.train.text_characters' is 160, more than the 100 bytes"},
    {"/splits/train/text_characters", "\"many\"", "'splits.train.text_characters' is string, expected a whole number"},
    {"/splits/valid/text_characters", "5", "'splits.valid.text_characters' is not a key of this format"},
    {"/unit", R"("morpheme")", "'unit' is not word, char or byte"},
    {"/unit", "7", "'unit' is number, expected a string"},
    {"/end_of_line", "1", "'end_of_line' is number, expected true or false"},
    {"/min_count", "0", "'min_count' is 0, expected 1 to"},
    {"/extra", "1", "'extra' is not a key of this format"},
    {"/vocabulary", "[]", "'vocabulary' is array, expected an object"},
    {"/vocabulary/words", "0", "'vocabulary.words' is 0, expected 1 to 268435456"},
    {"/vocabulary/words", "1099511627776", "'vocabulary.words' is 1099511627776, expected 1 to 268435456"},
    {"/vocabulary/hash", R"("zz")", "'vocabulary.hash' is not a hash of 32 hexadecimal digits"},
    {"/vocabulary/file", R"("../vocabulary.h5")",
     "'vocabulary.file' is \"../vocabulary.h5\", expected a plain file name"},
    {"/splits", "{}", "'splits' is empty"},
    {"/splits/dev", "{}", "'splits.dev' is not train, valid or test"},
    {"/splits/train/tokens", "31", "'splits.train.tokens' is 31, but the shards have 30 together"},
    {"/splits/train/tokens", "-1", "'splits.train.tokens' is -1, expected 1 to"},
    {"/splits/train/tokens", "3.5", "'splits.train.tokens' is 3.5, expected a whole number"},
    {"/splits/train/tokens", "1e30", "expected a whole number"},
    {"/splits/train/tokens", "18446744073709551615", "'splits.train.tokens' is 18446744073709551615, expected 1 to"},
    {"/splits/train/unknown", "31", "'splits.train.unknown' is 31, more than the 30 tokens"},
    {"/splits/train/shards", "[]", "'splits.train.shards' is not a list of shards"},
    {"/splits/train/shards/0", "5", "'splits.train.shards[0]' is number, expected an object"},
    {"/splits/train/shards/0/file", R"("../../elsewhere.h5")", "expected a plain file name"},
    {"/splits/train/shards/0/file", R"("/elsewhere.h5")", "expected a plain file name"},
    {"/splits/train/shards/0/file", R"(".hidden")", "expected a plain file name"},
    {"/splits/train/shards/0/file", R"("..")", "expected a plain file name"},
    {"/splits/train/shards/0/file", R"("")", "expected a plain file name"},
    {"/splits/train/shards/0/file", R"("a\u0000b.h5")", "\"a\\u0000b.h5\", expected a plain file name"},
    {"/splits/train/shards/0/file", R"("manifest.json")",
     "'splits.train.shards[0].file' is 'manifest.json' a second time"},
    {"/splits/train/shards/1/file", R"("train-00000.h5")",
     "'splits.train.shards[1].file' is 'train-00000.h5' a second time"},
    {"/splits/train/shards/0/bytes", "0", "'splits.train.shards[0].bytes' is 0, expected 1 to"},
    {"/splits/train/shards/0/tokens", "1125899906842624",
     "'splits.train.shards[0].tokens' is 1125899906842624, expected 1 to"},
    {"/splits/train/shards/0/xxh3_128", R"("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")",
     "'splits.train.shards[0].xxh3_128' is not a hash"},
};

TEST(Manifest, RefusesWhatIsNotExactlyAManifest) {
  for (const auto& [pointer, value, message] : kChanges) {
    const std::string said = with(pointer, json::parse(value));
    EXPECT_THAT(said, HasSubstr("65: manifest: ")) << pointer;
    EXPECT_THAT(said, HasSubstr(message)) << pointer;
    EXPECT_THAT(said, HasSubstr("where: corpus/manifest.json")) << pointer;
  }
}

TEST(Manifest, RefusesEveryMissingKey) {
  const json whole = json::parse(manifest_text(good()));
  for (const auto& [key, _] : whole.items()) {
    json changed = whole;
    changed.erase(key);
    EXPECT_THAT(error_of([&, text = changed.dump()] { parse_manifest(text, "m"); }),
                HasSubstr("65: manifest: '" + key + "' is"));
  }
}

std::string parsing(const std::string& text) {
  return error_of([&] { parse_manifest(text, "m"); });
}

TEST(Manifest, SurvivesWhatIsNoJsonAtAll) {
  EXPECT_THAT(parsing(""), HasSubstr("65: manifest is not valid JSON"));
  EXPECT_THAT(parsing("{"), HasSubstr("65: manifest is not valid JSON"));
  EXPECT_THAT(parsing("[1]"), HasSubstr("is array, expected an object"));
  EXPECT_THAT(parsing("{\"format\": \"\xFF\"}"), HasSubstr("65: manifest is not valid JSON"));
  EXPECT_THAT(parsing(std::string(1 << 20, '[')), HasSubstr("65: manifest is"));
  EXPECT_THAT(parsing(std::string(100'000, '[') + std::string(100'000, ']')),
              HasSubstr("65: manifest is nested deeper than 8 levels"));
  std::string keys = "{";
  for (int i = 0; i < 100'000; ++i) keys += "\"a\":{\"a\":";
  EXPECT_THAT(parsing(keys), HasSubstr("65: manifest is"));
  EXPECT_THAT(parsing(R"({"format": 1, "format": 2})"), HasSubstr("65: manifest has the key \"format\" twice"));
  EXPECT_THAT(parsing(manifest_text(good()) + std::string("\0{}", 3)), HasSubstr("65: manifest is not valid JSON: it has a NUL"));
  std::string flat = "[0";
  for (int i = 0; i < 2'000'000; ++i) flat += ",0";
  EXPECT_THAT(parsing(flat + "]"), HasSubstr("65: manifest has more than 2000000 values"));
  EXPECT_THAT(parsing(std::string((64 << 20) + 1, ' ')),
              HasSubstr("manifest has 67108865 bytes, at most 67108864 are read"));
}

TEST(Manifest, SurvivesEverySingleBytePutWrong) {
  const std::string text = manifest_text(good());
  for (std::size_t at = 0; at < text.size(); ++at)
    for (const char byte : {'\0', '"', '{', '9', '\xFF'}) {
      std::string changed = text;
      changed[at] = byte;
      const std::string said = parsing(changed);  // right or refused, never another exception
      EXPECT_TRUE(said == "no error" || said.starts_with("65: manifest")) << said;
    }
}

TEST(Manifest, MissingDirectoriesAndFilesAreInputsMissing) {
  const TemporaryDirectory directory;
  EXPECT_THAT(error_of([&] { read_manifest(directory / "nowhere"); }),
              HasSubstr("66: there is no such corpus directory"));
  EXPECT_THAT(error_of([&] { read_manifest(directory.path()); }),
              HasSubstr("66: has no manifest.json, so it is no corpus directory"));
  put_file(directory / "file", "x");
  EXPECT_THAT(error_of([&] { read_manifest(directory / "file"); }), HasSubstr("66: is not a directory"));
  put_file(directory / "elsewhere.json", manifest_text(good()));
  fs::create_symlink(directory / "elsewhere.json", directory / "manifest.json");
  EXPECT_THAT(error_of([&] { read_manifest(directory.path()); }), HasSubstr("65: is a symbolic link"));
}

}  // namespace
}  // namespace trellis
