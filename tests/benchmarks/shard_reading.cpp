// What reading a few tokens of a shard costs, in turns: from files that are all held open, as FilePool does where they fit;
// from a pool that has more files than it may open, always the same ones; and walking through all of them, so that nearly
// each read opens a file. Reads are of 600 bytes (150 tokens) from the page cache.
//   shard_reading [FILES [MOST_OPEN [ROUNDS]]]     1111, 128 and 7 unless given
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "corpus/file_pool.h"
#include "storage/file.h"

namespace trellis {
namespace {

namespace fs = std::filesystem;
constexpr int kReads = 200'000, kHot = 80;
constexpr std::int64_t kFileBytes = 1 << 16;
using Bytes = std::vector<std::byte>;

template <class Read>
double nanoseconds_of(int files, Read&& read) {
  Bytes into(600);
  const auto begun = std::chrono::steady_clock::now();
  for (int i = 0; i < kReads; ++i) read(static_cast<std::size_t>(i % files), i * 600LL % (kFileBytes - 600), into);
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begun).count() / kReads;
}

double median(std::vector<double> of) {
  std::nth_element(of.begin(), of.begin() + static_cast<std::ptrdiff_t>(of.size() / 2), of.end());
  return of[of.size() / 2];
}

void run(int files, int most_open, int rounds) {
  std::string name = (fs::temp_directory_path() / "trellis-shards-XXXXXX").string();
  const fs::path folder = ::mkdtemp(name.data());
  std::vector<File> all;
  FilePool roomy(static_cast<std::size_t>(kHot)), small(static_cast<std::size_t>(most_open));
  for (int i = 0; i < files; ++i) {
    const fs::path path = folder / std::to_string(i);
    File::create(path).write_at(0, Bytes(kFileBytes));
    if (i < kHot) all.push_back(File::open_to_read(path));
    if (i < kHot) roomy.add(File::open_to_read(path));
    small.add(File::open_to_read(path));
  }
  const auto of = [](const auto& from) {
    return [&](std::size_t number, std::int64_t offset, Bytes& into) {
      if constexpr (requires { from.size(); from[0]; })
        from[number].read_at(offset, into);
      else
        from.read_at(number, offset, into);
    };
  };
  const int hot = std::min(kHot, std::min(files, most_open));
  std::vector<double> files_ns, roomy_ns, hot_ns, walk_ns;
  for (int round = 0; round < rounds; ++round) {
    files_ns.push_back(nanoseconds_of(hot, of(all)));
    roomy_ns.push_back(nanoseconds_of(hot, of(roomy)));
    hot_ns.push_back(nanoseconds_of(hot, of(small)));
    walk_ns.push_back(nanoseconds_of(files, of(small)));
  }
  std::printf("%d files, %d open at most; ns a read (median of %d): plain files %.0f, pool where all fit %.0f, hot %.0f, walking %.0f\n", files,
              most_open, rounds, median(files_ns), median(roomy_ns), median(hot_ns), median(walk_ns));
  fs::remove_all(folder);
}

}  // namespace
}  // namespace trellis

int main(int argc, char** argv) {
  const auto given = [&](int at, int otherwise) { return argc > at ? std::atoi(argv[at]) : otherwise; };
  trellis::run(given(1, 1111), given(2, 128), given(3, 7));
  return 0;
}
