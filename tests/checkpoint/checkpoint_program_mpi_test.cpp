// A writer and reader of sample checkpoints for the scripts in this folder, which kill it, fail its system calls and
// read its files with other tools. Without arguments it writes one checkpoint and reads it back.
//   write ROOT FIRST LAST LARGE_ROWS   checkpoints of steps FIRST to LAST, keeping the 2 newest; "wrote STEP" after
//   each newest ROOT LARGE_ROWS             clears temporary folders, loads the newest checkpoint, checks it; "newest
//   STEP" golden ROOT                        the checkpoint of tests/checkpoint/golden
#include <cstdio>
#include <string>
#include <vector>

#include "base/errors.h"
#include "checkpoint/catalogue.h"
#include "mpi/agreement.h"
#include "mpi/run_ranks.h"
#include "tests/checkpoint/sample_helpers.h"

namespace trellis {
namespace {

using namespace testing_support;

void say(const Communicator& world, const char* word, std::int64_t step) {
  if (world.rank() != 0) return;
  std::printf("%s %lld\n", word, static_cast<long long>(step));
  std::fflush(stdout);
}

void write(const Communicator& world, const std::filesystem::path& root, std::int64_t first, std::int64_t last,
           std::int64_t large_rows) {
  for (std::int64_t step = first; step <= last; ++step) {
    write_sample(world, root, step, {{"windows", step}}, large_rows);
    prune_checkpoints(world, root, 2, std::nullopt);
    say(world, "wrote", step);
  }
}

void newest(const Communicator& world, const std::filesystem::path& root, std::int64_t large_rows) {
  remove_stale(world, root);
  const auto reader = open_newest_complete(world, root);
  agree(world, [&] {
    if (reader && !holds_sample(*reader, large_rows)) throw DataError("not the sample's contents", reader->path(), "");
  });
  say(world, "newest", reader ? reader->step() : -1);
}

ExitCode run(const std::vector<std::string>& arguments) {
  const auto world = Communicator::world();
  if (arguments.empty()) {
    const SharedFolder folder(world);
    write(world, folder.path(), 1, 3, 301);
    newest(world, folder.path(), 301);
  } else if (arguments[0] == "write") {
    write(world, arguments.at(1), std::stoll(arguments.at(2)), std::stoll(arguments.at(3)),
          std::stoll(arguments.at(4)));
  } else if (arguments[0] == "newest") {
    newest(world, arguments.at(1), std::stoll(arguments.at(2)));
  } else if (arguments[0] == "golden") {
    write_sample(world, arguments.at(1), 7, {{"windows", 12}, {"note", "golden"}}, 3);
  }
  return ExitCode::done;
}

}  // namespace
}  // namespace trellis

int main(int argc, char** argv) {
  const trellis::MpiSession session(argc, argv);
  return trellis::run_ranks(session, [&] { return trellis::run({argv + 1, argv + argc}); });
}
