// A writer and reader of sample checkpoints for the scripts in this folder, which kill it, fail its system calls and
// read its files with other tools. Without arguments it writes one checkpoint and reads it back.
//   write ROOT FIRST LAST LARGE_ROWS   checkpoints of steps FIRST to LAST, keeping the 2 newest; "wrote STEP" after
//                                      each
//   newest ROOT LARGE_ROWS             clears temporary folders, loads the newest checkpoint, checks it; "newest STEP"
//   golden ROOT                        the checkpoint of tests/checkpoint/golden
//   copy FROM TO TYPE                  a safetensors file, each tensor as it is (TYPE stored) or converted (F32, F64)
//   judge FOLDER                       whether each file of a folder opens as safetensors: "NAME opened" or what is
//   wrong
#include <algorithm>
#include <cstdio>
#include <span>
#include <string>
#include <vector>

#include "base/errors.h"
#include "checkpoint/catalogue.h"
#include "mpi/agreement.h"
#include "mpi/run_ranks.h"
#include "tests/checkpoint/sample_helpers.h"
#include "weights/safetensors.h"
#include "weights/safetensors_writer.h"

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

void copy_weights(const std::filesystem::path& from, const std::filesystem::path& to, const std::string& type) {
  const SafetensorsFile file = SafetensorsFile::open(from);
  std::vector<std::vector<double>> kept;  // aligned for every type
  std::vector<SafetensorsSource> sources;
  for (const SafetensorsTensor& tensor : file.tensors()) {
    const auto elements = static_cast<std::size_t>(tensor.elements()), bytes = static_cast<std::size_t>(tensor.bytes);
    kept.emplace_back(std::max(elements, bytes / 8 + 1));
    double* const memory = kept.back().data();
    if (type == "F64")
      file.read(tensor.name, std::span(memory, elements));
    else if (type == "F32")
      file.read(tensor.name, std::span(reinterpret_cast<float*>(memory), elements));
    else
      file.read(tensor.name, std::as_writable_bytes(std::span(memory, kept.back().size())).first(bytes));
    sources.push_back(
        {tensor.name, type == "stored" ? tensor.dtype : safetensors_dtype_named(type).value(), tensor.shape, memory});
  }
  write_safetensors(to, sources, file.metadata());
}

void judge(const std::filesystem::path& folder) {
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::string verdict = "opened";
    try {
      SafetensorsFile::open(entry.path());
    } catch (const DataError& error) {
      verdict = error.fact();
    }
    std::printf("%s %s\n", entry.path().filename().c_str(), verdict.c_str());
  }
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
  } else if (arguments[0] == "copy") {
    copy_weights(arguments.at(1), arguments.at(2), arguments.at(3));
  } else if (arguments[0] == "judge") {
    judge(arguments.at(1));
  }
  return ExitCode::done;
}

}  // namespace
}  // namespace trellis

int main(int argc, char** argv) {
  const trellis::MpiSession session(argc, argv);
  return trellis::run_ranks(session, [&] { return trellis::run({argv + 1, argv + argc}); });
}
