#include "corpus/file_pool.h"

#include <atomic>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <thread>

#include "tests/corpus/corpus_fixture.h"

namespace trellis {
namespace {

using namespace testing_support;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

// Files of 100 bytes, each of which holds its number.
class SomeFiles {
 public:
  explicit SomeFiles(int count) : count_(count) {
    for (int i = 0; i < count; ++i) put_file(path(i), std::string(100, static_cast<char>(i % 128)));
  }
  fs::path path(int number) const { return directory_ / std::to_string(number); }
  void add_all(FilePool& pool) const {
    for (int i = 0; i < count_; ++i) EXPECT_EQ(pool.add(File::open_to_read(path(i))), static_cast<std::size_t>(i));
  }

 private:
  TemporaryDirectory directory_;
  int count_;
};

char read_one(const FilePool& pool, int number) {
  std::byte byte{};
  pool.read_at(static_cast<std::size_t>(number), number % 100, std::span(&byte, 1));
  return static_cast<char>(byte);
}

// How many descriptors lead into `directory`.
int open_into(const fs::path& directory) {
  int count = 0;
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    count += fs::read_symlink(entry.path(), gone).parent_path() == directory;
  }
  return count;
}

TEST(FilePool, ReadsMoreFilesThanItHoldsOpen) {
  const SomeFiles files(50);
  for (const std::size_t most : {1, 2, 7, 50, 99}) {
    {
      FilePool pool(most);
      files.add_all(pool);
      for (int round = 0; round < 3; ++round)
        for (int i = 0; i < 50; ++i) {
          const int number = i * 13 % 50;
          ASSERT_EQ(read_one(pool, number), static_cast<char>(number));
          ASSERT_LE(pool.open_files(), most);
          ASSERT_EQ(open_into(files.path(0).parent_path()), static_cast<int>(pool.open_files()));
        }
    }
    EXPECT_EQ(open_into(files.path(0).parent_path()), 0) << "left open";
  }
}

TEST(FilePool, KeepsOpenWhatIsReadAgainAndAgain) {
  const SomeFiles files(20);
  FilePool pool(3);
  files.add_all(pool);
  for (int i = 0; i < 20; ++i) {
    read_one(pool, i);
    for (int n = 0; n < 4; ++n) read_one(pool, 5);
  }
  fs::remove(files.path(5));
  EXPECT_EQ(read_one(pool, 5), 5);  // it would not open any more
}

TEST(FilePool, IsForManyThreads) {
  const SomeFiles files(40);
  FilePool pool(4);
  files.add_all(pool);
  std::atomic<int> wrong{0};
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 6; ++thread)
      threads.emplace_back([&, thread] {
        for (int i = 0; i < 3000; ++i) {
          const int number = (i * (2 * thread + 1) + i / 7) % 40;
          if (read_one(pool, number) != static_cast<char>(number)) ++wrong;
        }
      });
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_LE(pool.open_files(), 4u + 6u);  // more than it may only while all are being read
}

TEST(FilePool, RefusesAnotherFileInTheSamePlace) {
  const SomeFiles files(10);
  FilePool pool(1);
  files.add_all(pool);
  fs::rename(files.path(3), files.path(1000));
  put_file(files.path(3), std::string(100, 3));  // of the same size and content
  EXPECT_THAT(error_of([&] { read_one(pool, 3); }), AllOf(StartsWith("65: was changed or replaced while it was in use"), HasSubstr("/3")));
  fs::resize_file(files.path(4), 99);
  EXPECT_THAT(error_of([&] { read_one(pool, 4); }), StartsWith("65: was changed or replaced"));
  fs::remove(files.path(5));
  EXPECT_THAT(error_of([&] { read_one(pool, 5); }), StartsWith("66: cannot be read: No such file"));
  EXPECT_EQ(read_one(pool, 6), 6);
}

TEST(FilePool, NoticesAnEndThatComesTooSoon) {
  const SomeFiles files(1);
  FilePool pool(1);
  files.add_all(pool);
  std::vector<std::byte> into(50);
  EXPECT_THAT(error_of([&] { pool.read_at(0, 80, into); }), StartsWith("65: ends at byte 100, expected 50 bytes from 80"));
}

// Lowers what this process may open to `more` above what it has open.
class FewDescriptors {
 public:
  explicit FewDescriptors(int more) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    int next = 0;
    for (const auto& entry : fs::directory_iterator("/proc/self/fd")) next = std::max(next, std::stoi(entry.path().filename()));
    rlimit lower = before_;
    lower.rlim_cur = static_cast<rlim_t>(next + 1 + more);
    ::setrlimit(RLIMIT_NOFILE, &lower);
  }
  ~FewDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST(FilePool, ClosesItsOwnWhereTheProcessMayOpenNoMore) {
  const SomeFiles files(30);
  FilePool pool(20);
  files.add_all(pool);
  const FewDescriptors few(0);
  std::vector<File> taken;
  std::string said;
  while (said.empty()) try {
      taken.push_back(File::open_to_read(files.path(0)));
    } catch (const MissingInputError& error) {
      said = error.what();
    }
  EXPECT_THAT(said, HasSubstr("ulimit -n"));
  for (int i = 29; i >= 0; --i) EXPECT_EQ(read_one(pool, i), static_cast<char>(i));
}

TEST(TokenReader, ReadsACorpusOfMoreShardsThanMayBeOpen) {
  const TemporaryDirectory directory;
  const auto ids = some_ids(1111, 10);
  put_corpus(directory / "c", ids, 10, 3);  // 371 shards
  const FewDescriptors few(40);
  const auto reader = Corpus::open(directory / "c").open_split("train");
  std::vector<std::uint32_t> read(ids.size());
  reader->read(0, std::span(read));
  EXPECT_EQ(read, ids);
  for (std::size_t first = 0; first < ids.size(); first += 97) {
    std::uint32_t one = 0;
    reader->read(static_cast<std::int64_t>(first), std::span(&one, 1));
    EXPECT_EQ(one, ids[first]);
  }
}

}  // namespace
}  // namespace trellis
