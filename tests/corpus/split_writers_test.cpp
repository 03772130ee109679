// What writes the shards of a split, of text and of sequences, where the disk ends.
#include <csignal>
#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "tests/corpus/sequence_fixture.h"

namespace trellis {
namespace {

using namespace testing_support;
using testing::HasSubstr;
using testing::StartsWith;

// A limit on file sizes stops a write at any chosen byte, in HDF5 or in our own writing, as a full disk does.
void expect_write_errors(const std::function<void(const fs::path&)>& write, rlim_t below) {
  const TemporaryDirectory directory;
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  for (rlim_t limit = 0; limit < below; limit += 500) {
    const fs::path place = directory / std::to_string(limit);
    fs::create_directory(place);
    const rlimit tight{limit, old.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
    const std::string said = error_of([&] { write(place); });
    setrlimit(RLIMIT_FSIZE, &old);
    EXPECT_THAT(said, StartsWith("74: ")) << limit;
    EXPECT_THAT(said, HasSubstr("train-00000.h5")) << limit;
  }
}

TEST(SplitWriter, ReportsALimitMetAnywhere) {
  const auto ids = some_ids(5000, 10);
  expect_write_errors(
      [&](const fs::path& place) {
        SplitWriter writer(place, "train", 5000, 10'000, std::string(32, 'a'));
        writer.append(ids);
        writer.finish();
      },
      24'000);
}

TEST(SequenceSplitWriter, ReportsALimitMetAnywhere) {
  const SequenceDescription description = described(7, 3, 10);
  const Sequences sequences = some_sequences(1000, description);
  expect_write_errors(
      [&](const fs::path& place) {
        SequenceSplitWriter writer(place, "train", description, 1000, 1000);
        writer.append(sequences.pixels, sequences.labels);
        writer.finish();
      },
      25'000);
}

}  // namespace
}  // namespace trellis
