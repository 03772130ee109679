// Shards that are damaged, forged or built to reach elsewhere. Where a forger could make manifest and hash agree, the
// manifest is made to agree here, so that what refuses is the opening policy itself.
#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hdf5.h>

#include "tests/hdf5/hostile_file.h"

namespace trellis {
namespace {

using namespace testing_support;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

constexpr hsize_t kTokens = 40;

class HostileShard : public testing::Test {
 protected:
  void SetUp() override { manifest_ = put_corpus(corpus(), some_ids(kTokens, 10), 10, 100); }

  fs::path corpus() const { return directory_ / "corpus"; }
  fs::path shard() const { return corpus() / "train-00000.h5"; }

  // Makes the manifest say what the shard now is.
  void agree(std::int64_t tokens = kTokens) {
    const File file = File::open_to_read(shard());
    manifest_.splits["train"] = {tokens, 0, {{"train-00000.h5", tokens, file.size(), hash_of(file)}}};
    fs::remove(corpus() / kManifestFile);
    write_manifest(corpus(), manifest_);
  }

  // A shard whose /tokens is made by `make_tokens`; attributes as they should be.
  std::string forged(const std::function<void(hid_t)>& make_tokens, std::int64_t tokens = kTokens) {
    forge_file(shard(),
               {{"format", "trellis-shard"}, {"format_version", "1"}, {"vocabulary_hash", manifest_.vocabulary.hash}},
               make_tokens);
    agree(tokens);
    return opening();
  }

  std::string opening(Verify verify = Verify::hash) const {
    return error_of([&] { Corpus::open(corpus()).open_split("train", verify); });
  }

  static void put(hid_t file, hid_t type, std::vector<hsize_t> dims, const std::function<void(hid_t)>& lay_out = {},
                  const char* name = "tokens", bool grows = false) {
    put_dataset(file, name, type, std::move(dims), lay_out, grows);
  }

  const TemporaryDirectory directory_;
  Manifest manifest_;
};

TEST_F(HostileShard, ThePlainOnePasses) {
  EXPECT_EQ(opening(), "no error");
  EXPECT_EQ(forged([](hid_t file) { put(file, H5T_STD_U32LE, {kTokens}); }), "no error");
}

TEST_F(HostileShard, TruncatedAnywhere) {
  const std::string whole = file_text(shard());
  for (std::size_t length = 1; length < whole.size(); length += 61) {
    put_file(shard(), whole.substr(0, length));
    EXPECT_THAT(opening(), StartsWith("65: has " + std::to_string(length) + " bytes, the manifest says " +
                                      std::to_string(whole.size())));
    agree();
    EXPECT_THAT(opening(), StartsWith("65: ")) << length;
    manifest_ = read_manifest(corpus());
    manifest_.splits["train"].shards[0].bytes = static_cast<std::int64_t>(whole.size());
    fs::remove(corpus() / kManifestFile);
    write_manifest(corpus(), manifest_);
  }
}

TEST_F(HostileShard, EveryFlippedBitIsFoundByTheHash) {
  const std::string whole = file_text(shard());
  for (std::size_t at = 0; at < whole.size(); at += 7) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ (1 << (at % 8)));
    put_file(shard(), changed);
    EXPECT_THAT(opening(), AllOf(StartsWith("65: is damaged: its hash is "), HasSubstr("the manifest says"),
                                 HasSubstr("train-00000.h5")));
    EXPECT_THAT(opening(Verify::structure),
                testing::AnyOf(StartsWith("65: "), testing::Eq("no error")));  // never a crash
  }
}

TEST_F(HostileShard, LinksThatLeadElsewhere) {
  EXPECT_THAT(forged([](hid_t file) {
                put(file, H5T_STD_U32LE, {kTokens}, {}, "other");
                H5Lcreate_soft("/other", file, "tokens", H5P_DEFAULT, H5P_DEFAULT);
              }),
              StartsWith("65: /tokens is a soft link, expected a dataset in this file"));
  EXPECT_THAT(forged([](hid_t file) { H5Lcreate_soft("/nowhere", file, "tokens", H5P_DEFAULT, H5P_DEFAULT); }),
              StartsWith("65: /tokens is a soft link"));
  EXPECT_THAT(forged([&](hid_t file) {
                H5Lcreate_external((directory_ / "outside.h5").c_str(), "/tokens", file, "tokens", H5P_DEFAULT,
                                   H5P_DEFAULT);
              }),
              StartsWith("65: /tokens is an external link, expected a dataset in this file"));
  fs::rename(shard(), directory_ / "outside.h5");
  fs::create_symlink(directory_ / "outside.h5", shard());
  EXPECT_THAT(opening(), StartsWith("65: is a symbolic link, expected a regular file"));
}

TEST_F(HostileShard, DataThatLiesElsewhere) {
  put_file(directory_ / "outside.bin", std::string(4 * kTokens, 'x'));
  EXPECT_THAT(forged([&](hid_t file) {
                put(file, H5T_STD_U32LE, {kTokens}, [&](hid_t layout) {
                  H5Pset_external(layout, (directory_ / "outside.bin").c_str(), 0, kTokens * 4);
                });
              }),
              StartsWith("65: /tokens keeps its data in another file"));
  EXPECT_THAT(forged([&](hid_t file) {
                put(file, H5T_STD_U32LE, {kTokens}, [&](hid_t layout) {
                  const hsize_t count = kTokens;
                  const hid_t space = H5Screate_simple(1, &count, nullptr);
                  H5Pset_virtual(layout, space, (directory_ / "other.h5").c_str(), "/tokens", space);
                  H5Sclose(space);
                });
              }),
              StartsWith("65: /tokens: is a virtual dataset"));
  EXPECT_EQ(file_text(directory_ / "outside.bin"), std::string(4 * kTokens, 'x'));
}

TEST_F(HostileShard, OtherLayoutsAndTypes) {
  const hsize_t chunk = 10;
  EXPECT_THAT(forged([&](hid_t file) {
                put(file, H5T_STD_U32LE, {kTokens}, [&](hid_t layout) { H5Pset_chunk(layout, 1, &chunk); });
              }),
              StartsWith("65: /tokens: is chunked, expected contiguous data"));
  EXPECT_THAT(forged([&](hid_t file) {
                put(
                    file, H5T_STD_U32LE, {kTokens},
                    [&](hid_t layout) { H5Pset_chunk(layout, 1, &chunk), H5Pset_deflate(layout, 9); }, "tokens", true);
              }),
              StartsWith("65: /tokens is filtered, expected plain data"));
  EXPECT_THAT(forged([](hid_t file) {
                put(file, H5T_STD_U32LE, {kTokens}, [](hid_t layout) { H5Pset_layout(layout, H5D_COMPACT); });
              }),
              StartsWith("65: /tokens: is compact, expected contiguous data"));
  for (const hid_t type : {H5T_IEEE_F32LE, H5T_STD_U32BE, H5T_STD_I32LE, H5T_STD_U64LE, H5T_STD_U16LE})
    EXPECT_THAT(forged([type](hid_t file) { put(file, type, {kTokens}); }),
                AllOf(StartsWith("65: /tokens"), HasSubstr("another element type")));
  EXPECT_THAT(forged([](hid_t file) {
                const hid_t type = H5Tcopy(H5T_STD_U32LE);
                H5Tcommit2(file, "type", type, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
                put(file, type, {kTokens});
                H5Tclose(type);
              }),
              StartsWith("65: "));
}

TEST_F(HostileShard, OtherShapes) {
  EXPECT_THAT(forged([](hid_t file) {
                put(file, H5T_STD_U32LE, {8, 5});
              }),
              StartsWith("65: /tokens has 2 dimensions, expected 1"));
  EXPECT_THAT(forged([](hid_t file) { put(file, H5T_STD_U32LE, {}); }),
              StartsWith("65: /tokens has 0 dimensions, expected 1"));
  EXPECT_THAT(forged([](hid_t file) { put(file, H5T_STD_U32LE, {kTokens - 1}); }),
              StartsWith("65: /tokens has 39 elements, the manifest says 40"));
  // Claims of more than the file has: nothing may be allocated for them. Late allocation keeps the file small.
  for (const hsize_t bomb : {hsize_t{1} << 35, (hsize_t{1} << 62) - 1})
    EXPECT_THAT(
        forged([bomb](hid_t file) {
          const hid_t space = H5Screate_simple(1, &bomb, nullptr);
          H5Dclose(H5Dcreate2(file, "tokens", H5T_STD_U32LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
          H5Sclose(space);
        }),
        StartsWith("65: /tokens claims " + std::to_string(bomb) + " elements at byte nowhere, but the file has "));
}

TEST_F(HostileShard, SomethingElseInTheFile) {
  EXPECT_THAT(forged([](hid_t file) {
                put(file, H5T_STD_U32LE, {kTokens});
                put(file, H5T_STD_U32LE, {3}, {}, "extra");
              }),
              StartsWith("65: holds 2 objects, expected 1: something else was put into it"));
  EXPECT_THAT(forged([](hid_t file) { put(file, H5T_STD_U32LE, {3}, {}, "other"); }), StartsWith("65: has no /tokens"));
  EXPECT_THAT(forged([](hid_t file) { H5Gclose(H5Gcreate2(file, "tokens", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT)); }),
              StartsWith("65: /tokens is not a dataset"));
}

TEST_F(HostileShard, NoHdf5AtAll) {
  put_file(shard(), "not HDF5 but long enough to look at, and then some more of it");
  agree();
  EXPECT_THAT(opening(), StartsWith("65: is no HDF5 file: it does not begin with HDF5's signature"));
  fs::remove(shard());
  EXPECT_THAT(opening(), AllOf(StartsWith("66: cannot be read: No such file"), HasSubstr("train-00000.h5")));
  fs::create_directory(shard());
  EXPECT_THAT(opening(), StartsWith("65: is a directory, expected a file"));
}

TEST_F(HostileShard, AttributesThatDisagree) {
  const auto rewritten = [&](FlatAttributes attributes) {
    fs::remove(shard());
    std::vector<FlatDataset> datasets{{"tokens", Element::u32, kTokens}};
    create_flat_file(shard(), datasets, attributes);
    agree();
    return opening();
  };
  const std::string hash = manifest_.vocabulary.hash;
  EXPECT_EQ(rewritten({{"format", "trellis-shard"}, {"format_version", "1"}, {"vocabulary_hash", hash}}), "no error");
  EXPECT_THAT(rewritten({{"format", "other"}, {"format_version", "1"}, {"vocabulary_hash", hash}}),
              StartsWith("65: format is 'other', expected 'trellis-shard'"));
  EXPECT_THAT(rewritten({{"format", "trellis-shard"}, {"format_version", "2"}, {"vocabulary_hash", hash}}),
              StartsWith("65: format version is '2', this program reads 1"));
  EXPECT_THAT(
      rewritten({{"format", "trellis-shard"}, {"format_version", "1"}, {"vocabulary_hash", std::string(32, '0')}}),
      StartsWith("65: was made with vocabulary 00000000000000000000000000000000, the manifest says " + hash));
  EXPECT_THAT(rewritten({{"format", "trellis-shard"}, {"format_version", "1"}}),
              StartsWith("65: has no attribute 'vocabulary_hash'"));
  EXPECT_THAT(rewritten({{"format", "trellis-shard"}, {"format_version", "1"}, {"vocabulary_hash", hash}, {"x", "y"}}),
              StartsWith("65: has 4 attributes, expected 3: something else was put into it"));
}

TEST_F(HostileShard, AVocabularyThatIsNotTheManifests) {
  const auto refused = [&] { return error_of([&] { Corpus::open(corpus()).load_vocabulary(); }); };
  EXPECT_EQ(refused(), "no error");
  manifest_.vocabulary.hash = std::string(32, '0');
  fs::remove(corpus() / kManifestFile);
  write_manifest(corpus(), manifest_);
  EXPECT_THAT(refused(), AllOf(StartsWith("65: its words have the hash "),
                               HasSubstr("the manifest says 00000000000000000000000000000000")));
  manifest_.vocabulary.words = 11;
  fs::remove(corpus() / kManifestFile);
  write_manifest(corpus(), manifest_);
  EXPECT_THAT(refused(), StartsWith("65: has 10 words, the manifest says 11"));
  std::string bytes = file_text(corpus() / kVocabularyFile);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  put_file(corpus() / kVocabularyFile, bytes);
  EXPECT_THAT(error_of([&] { Corpus::open(corpus()); }), StartsWith("65: is damaged: its hash is "));
  put_file(corpus() / kVocabularyFile, bytes + "x");
  EXPECT_THAT(error_of([&] { Corpus::open(corpus()); }),
              StartsWith("65: has " + std::to_string(bytes.size() + 1) + " bytes, the manifest says "));
  fs::remove(corpus() / kVocabularyFile);
  EXPECT_THAT(error_of([&] { Corpus::open(corpus()); }), StartsWith("66: cannot be read"));
}

TEST_F(HostileShard, AVocabularyFileBesideAManifestIsTheOneItRecorded) {
  const fs::path file = corpus() / kVocabularyFile, alone = directory_ / "alone.h5";
  const auto reading = [](const fs::path& path) { return error_of([&] { vocabulary_at(path); }); };
  EXPECT_EQ(reading(corpus()), "no error");
  EXPECT_EQ(reading(file), "no error");
  fs::copy_file(file, alone);
  EXPECT_EQ(reading(alone), "no error");
  fs::copy_file(file, corpus() / "other.h5");  // not the manifest's
  EXPECT_EQ(reading(corpus() / "other.h5"), "no error");
  std::string bytes = file_text(file);
  bytes[2040] = static_cast<char>(bytes[2040] ^ 1);  // between structure and data: only the hash can tell
  put_file(file, bytes);
  put_file(alone, bytes);
  EXPECT_THAT(reading(file), StartsWith("65: is damaged: its hash is "));
  EXPECT_EQ(reading(alone), "no error");
  fs::remove(corpus() / kManifestFile);
  put_file(corpus() / kManifestFile, "{}");
  EXPECT_THAT(reading(file), AllOf(StartsWith("65: "), HasSubstr(kManifestFile)));
  bytes[8] = 3;
  put_file(alone, bytes);
  EXPECT_THAT(reading(alone), StartsWith("65: its superblock has version 3, expected 2 (or 0)"));
  EXPECT_THAT(reading(directory_ / "nowhere.h5"), StartsWith("66: "));
}

}  // namespace
}  // namespace trellis
