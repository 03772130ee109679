// Image files that no corpus can be made of: each a message and an exit code, nothing left behind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/preprocessing/image_corpus_fixture.h"

namespace trellis {
namespace {

using namespace testing_support;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class BadImages : public ImageCorpus {
 protected:
  const std::string good_labels_ = idx_header({2}) + std::string("\1\2", 2),
                    good_images_ = idx_header({2, 2, 3}) + std::string(12, 'x');
  std::string idx(const std::string& images, const std::string& labels) {
    return building(idx_options({{put(images), put(labels)}}));
  }
  std::string cifar(const std::string& content) { return building(options(ImageFormat::cifar, {{put(content), ""}})); }
};

TEST_F(BadImages, TheGoodOnePasses) { EXPECT_EQ(idx(good_images_, good_labels_), "no error"); }

TEST_F(BadImages, OtherFilesAreNoIdx) {
  EXPECT_THAT(idx("\x89PNG and more", good_labels_),
              AllOf(StartsWith("65: is no idx file: it begins with the bytes 89 50 4e 47, expected 00 00 08 03\n"),
                    HasSubstr("where: " + (directory_ / "file0").string())));
  EXPECT_THAT(idx(good_images_, "just text"), StartsWith("65: is no idx file: it begins with the bytes 6a 75 73 74"));
  std::string floats = good_images_;
  floats[2] = 0x0D;
  EXPECT_THAT(idx(floats, good_labels_),
              StartsWith("65: has elements of idx type 0x0d, expected 0x08: unsigned bytes"));
  EXPECT_THAT(idx(good_labels_, good_images_), AllOf(StartsWith("65: has 1 dimensions, expected 3 for images"),
                                                     HasSubstr("name each with its own flag")));
  EXPECT_THAT(idx(good_images_, good_images_), StartsWith("65: has 3 dimensions, expected 1 for labels"));
}

TEST_F(BadImages, CompressedFilesAreToBeDecompressed) {
  const std::string tail(3100, '\0');
  EXPECT_THAT(idx("\x1F\x8B\x08" + tail, good_labels_),
              AllOf(StartsWith("65: is compressed with gzip, expected a plain file"),
                    HasSubstr("unpack it first: gzip -dk " + (directory_ / "file0").string())));
  EXPECT_THAT(idx(good_images_,
                  "\xFD"
                  "7zXZ" +
                      tail),
              StartsWith("65: is compressed with xz"));
  EXPECT_THAT(cifar("\x1F\x8B\x08" + tail), StartsWith("65: is compressed with gzip"));
  EXPECT_THAT(cifar("\xFD"
                    "7zXZ" +
                    tail),
              AllOf(StartsWith("65: is compressed with xz"), HasSubstr("xz -dk")));
  EXPECT_THAT(cifar("BZh91AY&SY" + tail), StartsWith("65: is compressed with bzip2"));
  EXPECT_THAT(cifar("\x28\xB5\x2F\xFD" + tail), StartsWith("65: is compressed with zstd"));
}

TEST_F(BadImages, IdxFilesCutAnywhere) {
  for (std::size_t length = 0; length < good_images_.size(); ++length) {
    const std::string said = idx(good_images_.substr(0, length), good_labels_);
    if (length < 16)
      EXPECT_THAT(said, StartsWith("65: ends at byte " + std::to_string(length) + ", inside its header of 16 bytes"));
    else
      EXPECT_THAT(said, StartsWith("65: is cut: it ends at byte " + std::to_string(length) +
                                   ", expected 28 bytes (16 + 2 x 2 x 3)"));
  }
  for (std::size_t length = 0; length < good_labels_.size(); ++length)
    EXPECT_THAT(idx(good_images_, good_labels_.substr(0, length)),
                StartsWith(length < 8 ? "65: ends at byte " : "65: is cut: it ends at byte "))
        << length;
}

TEST_F(BadImages, IdxFilesWithTrailingBytes) {
  EXPECT_THAT(idx(good_images_ + "y", good_labels_),
              StartsWith("65: has 1 bytes too many: from byte 28 on, where its header says that it ends"));
  EXPECT_THAT(idx(good_images_, good_labels_ + "abc"), StartsWith("65: has 3 bytes too many: from byte 10 on"));
}

TEST_F(BadImages, ImpossibleDimensions) {
  EXPECT_THAT(idx(idx_header({0, 2, 3}), idx_header({0})), StartsWith("65: has no images"));
  EXPECT_THAT(idx(idx_header({2, 0, 3}), good_labels_),
              StartsWith("65: has images of 0 x 3 pixels, expected 1 to 1048576 in all"));
  EXPECT_THAT(idx(idx_header({2, 3, 0}), good_labels_), StartsWith("65: has images of 3 x 0 pixels"));
  EXPECT_THAT(idx(idx_header({1, 1025, 1024}), good_labels_), StartsWith("65: has images of 1025 x 1024 pixels"));
  // products that overflow 32, 63 and 64 bits
  EXPECT_THAT(idx(idx_header({1, 0xFFFFFFFF, 0xFFFFFFFF}), good_labels_),
              StartsWith("65: has images of 4294967295 x 4294967295 pixels"));
  EXPECT_THAT(idx(idx_header({1, 0x80000000, 0x80000000}), good_labels_), StartsWith("65: has images of 2147483648 x"));
  EXPECT_THAT(idx(idx_header({1, 65536, 65536}) + "x", good_labels_), StartsWith("65: has images of 65536 x 65536"));
  EXPECT_THAT(idx(idx_header({0xFFFFFFFF, 1024, 1024}), good_labels_),
              StartsWith("65: has 4294967295 images, at most 2147483648 are read"));
  EXPECT_THAT(idx(idx_header({0x80000000, 1024, 1024}), good_labels_),
              StartsWith("65: is cut: it ends at byte 16, expected 2251799813685264 bytes"));
  EXPECT_THAT(idx(good_images_, idx_header({0xFFFFFFFF})),
              StartsWith("65: is cut: it ends at byte 8, expected 4294967303 bytes (8 + 4294967295)"));
}

TEST_F(BadImages, LabelsThatDoNotFit) {
  const std::string said = idx(good_images_, idx_header({3}) + std::string("\1\2\3", 3));
  EXPECT_THAT(said, AllOf(StartsWith("65: has 3 labels, but " + (directory_ / "file0").string() + " has 2 images"),
                          HasSubstr("where: " + (directory_ / "file1").string())));
  ImageCorpusOptions many = idx_options({idx_files(5000, 20, 20), idx_files(500, 20, 20)});
  std::string labels = file_text(many.files[0][1].labels);
  labels[8 + 321] = 10;
  put_file(many.files[0][1].labels, labels);
  EXPECT_THAT(building(many),
              AllOf(StartsWith("65: image 321 has the label 10, expected < 10"),
                    HasSubstr("where: " + many.files[0][1].labels.string() + ": byte 329"), HasSubstr("--classes 11")));
  many.classes = 11;
  many.output = directory_ / "eleven";
  EXPECT_EQ(building(many), "no error");
}

TEST_F(BadImages, CifarFilesThatAreNoWholeRecords) {
  EXPECT_THAT(cifar(""), StartsWith("65: is empty"));
  EXPECT_THAT(cifar(std::string(3072, '\1')),
              StartsWith("65: has 3072 bytes, expected a multiple of 3073: after 0 images it ends 3072 bytes into a"));
  EXPECT_THAT(cifar(std::string(2 * 3073 + 5, '\1')), HasSubstr("after 2 images it ends 5 bytes into a record"));
  std::string records(3 * 3073, '\1');
  records[2 * 3073] = '\xC8';
  EXPECT_THAT(cifar(records), AllOf(StartsWith("65: image 2 has the label 200, expected < 10"),
                                    HasSubstr(": byte 6146\n"), HasSubstr("--classes 201")));
}

TEST_F(BadImages, ImagesOfOtherSizesDoNotMix) {
  ImageCorpusOptions options = idx_options({idx_files(2, 4, 6), idx_files(2, 6, 4)});
  EXPECT_THAT(building(options), AllOf(StartsWith("65: has images of 6 x 4 pixels, but "), HasSubstr(" has 4 x 6\n")));
  options = idx_options({idx_files(2, 4, 6)});
  options.files[2] = {idx_files(2, 4, 5)};
  EXPECT_THAT(building(options), StartsWith("65: has images of 4 x 5 pixels, but "));
}

TEST_F(BadImages, FilesThatCannotBeRead) {
  const ImageFiles good = idx_files(2, 2, 2);
  EXPECT_THAT(building(idx_options({{directory_ / "missing", good.labels}})),
              AllOf(StartsWith("66: cannot be read: No such file"), HasSubstr("missing")));
  EXPECT_THAT(building(idx_options({{good.images, directory_.path()}})),
              StartsWith("65: is a directory, expected a file"));
  EXPECT_THAT(building(options(ImageFormat::cifar, {{"/dev/null", ""}})), StartsWith("65: is not a regular file"));
}

TEST_F(BadImages, FilesThatAreCutMeanwhileAreNoticed) {
  const ImageCorpusOptions options = idx_options({idx_files(1200, 40, 50)});
  EXPECT_THAT(error_of([&] {
                build_image_corpus(options,
                                   [&](const ReadingProgress&) { fs::resize_file(options.files[0][0].images, 1'100'000); });
              }),
              StartsWith("65: ends at byte 1100000, expected "));
  EXPECT_FALSE(fs::exists(options.output));
}

}  // namespace
}  // namespace trellis
