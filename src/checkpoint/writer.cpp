#include "checkpoint/writer.h"

#include <chrono>
#include <fmt/core.h>
#include <random>

#include "base/errors.h"
#include "base/version.h"
#include "checkpoint/block_hash.h"
#include "checkpoint/checkpoint_manifest.h"
#include "checkpoint/collective_write.h"
#include "checkpoint/state_file.h"
#include "hdf5/handle.h"
#include "mpi/agreement.h"
#include "mpi/session.h"
#include "storage/directory.h"
#include "storage/file.h"
#include "storage/read_text.h"

namespace trellis {
namespace {

namespace fs = std::filesystem;
using namespace checkpoint;

// Temporary names hold the step and a number that all ranks share and no other job has.
struct Places {
  fs::path root, temporary, replaced, final_place;
};

Places choose_places(const Communicator& communicator, const fs::path& root, std::int64_t step) {
  std::random_device random;
  const std::int64_t mine = static_cast<std::int64_t>(random()) << 20 ^ random();
  const std::string unique = fmt::format("{:010d}-{:013x}", step, communicator.broadcast(mine, 0));
  return {root, root / (".tmp-" + unique), root / (".tmp-old-" + unique), root / checkpoint_name(step)};
}

void create_temporary(const Places& places) {
  try {
    fs::create_directories(places.root);
    fs::create_directory(places.temporary);
  } catch (const fs::filesystem_error& error) {
    throw WriteError("cannot create the folder: " + error.code().message(), places.temporary.string(),
                     "check the run folder's permissions and the disk's space");
  }
}

std::map<std::string, std::string> library_versions() {
  return {{"trellis", kVersion}, {"hdf5", hdf5_version()}, {"mpi", MpiSession::library()}};
}

// Rank 0 alone tells the others how it laid out the file.
StateLayout lay_out(const Communicator& communicator, const fs::path& path, std::span<const TensorSlice> slices) {
  StateLayout layout;
  layout.offsets.resize(slices.size());
  agree(communicator, [&] {
    if (communicator.rank() != 0) return;
    std::vector<TensorInfo> tensors;
    for (const TensorSlice& slice : slices) tensors.push_back(slice.info());
    layout = create_state_file(path, tensors);
  });
  layout.file_bytes = communicator.broadcast(layout.file_bytes, 0);
  communicator.broadcast(std::as_writable_bytes(std::span(layout.offsets)), 0);
  return layout;
}

// What is wrong with a file that has just been written is a failed write, whatever a reader would call it.
template <class Function>
auto reading_back(Function&& function) {
  try {
    return function();
  } catch (const WriteError&) {
    throw;
  } catch (const Error& error) {
    if (error.code() == ExitCode::internal || error.code() == ExitCode::stopped_early) throw;
    throw WriteError("what was written cannot be read back: " + error.fact(), error.where(),
                     "see whether the disk is full or faulty (the system log tells), or try another disk");
  }
}

// By the last rank to come here everything is on the disk: opened once more as a reader would, then given its name.
void finish(const Places& places, const Manifest& manifest, const StateLayout& layout) {
  const fs::path path = places.temporary / kManifestFile;
  {
    const std::string text = manifest_text(manifest);
    const File file = File::create(path);
    file.write_at(0, std::as_bytes(std::span(text)));
    file.sync();
  }
  const StateLayout reread = reading_back([&] {
    const Manifest written = parse_manifest(read_text(path, kLargestManifestBytes, kOtherVersion), path.string());
    return check_state_file(places.temporary / kStateFile, written.tensors);
  });
  if (reread != layout)
    throw WriteError("the finished file's layout differs from the planned one", places.temporary.string(),
                     "the disk or the MPI library's file access is faulty: try another disk");
  sync_directory(places.temporary);
  publish_directory(places.temporary, places.final_place, places.replaced);
  sync_directory(places.root);
  std::error_code unknown;
  if (fs::exists(places.replaced, unknown)) remove_directory(places.replaced);
}

// Collective; errors are agreed within.
std::string hash_written(const Communicator& communicator, const fs::path& path, std::int64_t bytes) {
  std::optional<Error> error;
  try {
    return hash_of_file(communicator, path, bytes);
  } catch (const Agreement&) {
    error = current_error();
  }
  agree(communicator, [&] { reading_back([&] { throw *error; }); });
  return {};
}

std::int64_t write_temporary(const Communicator& communicator, const Places& places, std::int64_t step,
                             std::span<const TensorSlice> slices, const nlohmann::json& state) {
  const fs::path state_file = places.temporary / kStateFile;
  agree(communicator, [&] {
    if (communicator.rank() == 0) create_temporary(places);
  });
  const StateLayout layout = lay_out(communicator, state_file, slices);
  const std::int64_t bytes = write_slices(communicator, state_file, slices);
  agree(communicator, [&] {  // every rank: on a network file system each machine holds its own unwritten pages
    const File file = File::open_to_write(state_file);
    file.sync();
    file.drop_cached();
  });
  agree(communicator, [&] { reading_back([&] { compare_slices(state_file, layout, slices); }); });

  Manifest manifest;
  manifest.step = step;
  for (const TensorSlice& slice : slices) manifest.tensors.push_back(slice.info());
  manifest.state_bytes = layout.file_bytes;
  manifest.state_hash = hash_written(communicator, state_file, layout.file_bytes);
  manifest.state = state;
  manifest.libraries = library_versions();
  agree(communicator, [&] {
    if (communicator.rank() == 0) finish(places, manifest, layout);
  });
  return bytes;
}

}  // namespace

WriteReport write_checkpoint(const Communicator& communicator, const fs::path& root, std::int64_t step,
                             std::span<const TensorSlice> slices, const nlohmann::json& state) {
  const auto start = std::chrono::steady_clock::now();
  agree(communicator, [&] {
    require(step >= 0, "a checkpoint's step is not negative");
    require(communicator.rank() != 0 || state.is_object(), "a checkpoint's state is a JSON object");
  });
  check_slices(communicator, slices);
  const Places places = choose_places(communicator, root, step);
  WriteReport report;
  try {
    report.bytes_this_rank = write_temporary(communicator, places, step, slices, state);
  } catch (...) {
    if (communicator.rank() == 0) remove_directory(places.temporary);
    throw;
  }
  report.path = places.final_place;
  report.bytes_total = communicator.all_reduce(report.bytes_this_rank, Reduction::sum);
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace trellis
