// Small image files made into corpora and read back as sequences.
#pragma once

#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "preprocessing/image_corpus.h"
#include "tests/corpus/sequence_fixture.h"

namespace trellis::testing_support {

inline std::string bytes_text(const std::vector<std::uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

inline std::string big_endian(std::uint32_t number) {
  std::string text;
  for (const int shift : {24, 16, 8, 0}) text += static_cast<char>(number >> shift & 0xff);
  return text;
}

// The header of an idx file of unsigned bytes.
inline std::string idx_header(const std::vector<std::uint32_t>& dimensions) {
  std::string text("\0\0\x08", 3);
  text += static_cast<char>(dimensions.size());
  for (const std::uint32_t size : dimensions) text += big_endian(size);
  return text;
}

class ImageCorpus : public testing::Test {
 protected:
  // Files of `count` images of rows x columns that look random.
  ImageFiles idx_files(std::uint32_t count, std::uint32_t rows, std::uint32_t columns) {
    return idx_files(some_bytes(std::size_t{count} * rows * columns, 256), some_bytes(count, 10), rows, columns);
  }
  ImageFiles idx_files(const std::vector<std::uint8_t>& pixels, const std::vector<std::uint8_t>& labels,
                       std::uint32_t rows, std::uint32_t columns) {
    const auto count = static_cast<std::uint32_t>(labels.size());
    return {put(idx_header({count, rows, columns}) + bytes_text(pixels)),
            put(idx_header({count}) + bytes_text(labels))};
  }
  fs::path put(const std::string& content) {
    return put_file(directory_ / ("file" + std::to_string(made_++)), content);
  }

  // Options for these files as training images.
  ImageCorpusOptions options(ImageFormat format, std::vector<ImageFiles> train) {
    ImageCorpusOptions options;
    options.format = format;
    options.files[0] = std::move(train);
    options.normalisation = usual_normalisation(format);
    options.output = directory_ / ("corpus" + std::to_string(made_++));
    return options;
  }
  ImageCorpusOptions idx_options(std::vector<ImageFiles> train) { return options(ImageFormat::idx, std::move(train)); }

  static SequenceManifest build(const ImageCorpusOptions& options) {
    return build_image_corpus(options, [](const ReadingProgress&) {});
  }
  // What building says. It leaves a corpus, or nothing at all.
  static std::string building(const ImageCorpusOptions& options) {
    const std::string said = error_of([&] { build(options); });
    EXPECT_EQ(fs::exists(options.output), said == "no error");
    for (const auto& entry : fs::directory_iterator(options.output.parent_path()))
      EXPECT_FALSE(entry.path().filename().string().starts_with(".tmp-")) << entry.path();
    return said;
  }
  static Sequences sequences(const ImageCorpusOptions& options, const char* split = "train") {
    const auto reader = SequenceCorpus::open(options.output).open_split(split);
    Sequences all{
        std::vector<std::uint8_t>(static_cast<std::size_t>(reader->sequences() * reader->description().bytes())),
        std::vector<std::uint8_t>(static_cast<std::size_t>(reader->sequences()))};
    reader->read(0, all.pixels, all.labels);
    return all;
  }

  const TemporaryDirectory directory_;
  int made_ = 0;
};

}  // namespace trellis::testing_support
