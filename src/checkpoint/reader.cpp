#include "checkpoint/reader.h"

#include <bit>
#include <fmt/core.h>
#include <fmt/ranges.h>

#include "base/errors.h"
#include "base/system_error.h"
#include "checkpoint/block_hash.h"
#include "checkpoint/damage.h"
#include "mpi/agreement.h"
#include "storage/read_text.h"

namespace trellis {
namespace {

namespace fs = std::filesystem;
using namespace checkpoint;

static_assert(std::endian::native == std::endian::little, "tensors are read as the little-endian bytes of the file");

void expect_directory(const fs::path& directory) {
  constexpr const char* give_one = "give the path of a step-... folder in the run's checkpoints/";
  const PathKind kind = kind_of_path(directory);
  if (kind == PathKind::absent)
    throw MissingInputError("there is no such checkpoint folder", directory.string(), give_one);
  if (kind != PathKind::directory)
    throw MissingInputError("is no folder, expected that of a checkpoint", directory.string(), give_one);
}

void check_step(const fs::path& directory, const Manifest& manifest) {
  const auto named = step_of_name(directory.filename().string());
  if (named && *named != manifest.step)
    throw DataError(
        fmt::format("the folder is named for step {}, but its manifest is of step {}", *named, manifest.step),
        directory.string(), "rename the folder to " + checkpoint_name(manifest.step) + ", if it is that one");
}

void check_size(const fs::path& file, std::int64_t actual, std::int64_t expected) {
  if (actual != expected)
    throw DamagedError(fmt::format("the file has {} bytes, expected {}", actual, expected), file.string(),
                       "the checkpoint is damaged: use another one");
}

// As agree(). Where it fails, every rank knows afterwards whether rank 0 has found damage or a file of the folder missing;
// what others find alone, they may see through a file system that shows them something else.
template <class Function>
auto agree_on_damage(const Communicator& communicator, bool& damaged, Function&& local) {
  bool found = false;
  try {
    return agree(communicator, [&] {
      try {
        return local();
      } catch (const DamagedError&) {
        found = true;
        throw;
      } catch (const CutFileError&) {
        found = true;
        throw;
      } catch (const AbsentInputError&) {
        found = true;
        throw;
      }
    });
  } catch (const Error&) {
    damaged = communicator.broadcast(static_cast<std::int64_t>(found), 0) == 1;
    throw;
  }
}

}  // namespace

CheckpointReader::CheckpointReader(fs::path path, Manifest manifest, StateLayout layout, File file)
    : path_(std::move(path)), manifest_(std::move(manifest)), layout_(std::move(layout)), file_(std::move(file)) {
  for (std::size_t t = 0; t < manifest_.tensors.size(); ++t) index_[manifest_.tensors[t].name] = t;
}

CheckpointReader CheckpointReader::open(const Communicator& communicator, const fs::path& given, Verify verify,
                                        bool& damaged) {
  const fs::path directory = given.has_filename() ? given : given.parent_path();  // "step-0000000001/" has none
  agree(communicator, [&] {
    if (communicator.rank() == 0) expect_directory(directory);
  });
  const std::string own_text = agree_on_damage(communicator, damaged, [&] {
    return communicator.rank() == 0 ? read_text(directory / kManifestFile, kLargestManifestBytes, kOtherVersion) : std::string();
  });
  const std::string text = communicator.broadcast(own_text, 0);
  Manifest manifest = agree_on_damage(
      communicator, damaged, [&] { return parse_manifest(text, (directory / kManifestFile).string()); });
  const fs::path state_file = directory / kStateFile;
  File file = agree_on_damage(communicator, damaged, [&] {
    check_step(directory, manifest);
    File opened = File::open_to_read(state_file, Links::refuse);
    check_size(state_file, opened.size(), manifest.state_bytes);
    return opened;
  });
  if (verify == Verify::hash) {
    const std::string actual = hash_of_file(communicator, state_file, manifest.state_bytes);
    agree_on_damage(communicator, damaged, [&] {
      if (actual != manifest.state_hash)
        throw DamagedError("the file is damaged: its hash is " + actual + ", the manifest has " + manifest.state_hash,
                           state_file.string(), "use another checkpoint");
    });
  }
  StateLayout layout = agree(communicator, [&] { return check_state_file(state_file, manifest.tensors); });
  return CheckpointReader(directory, std::move(manifest), std::move(layout), std::move(file));
}

CheckpointReader CheckpointReader::open(const Communicator& communicator, const fs::path& directory, Verify verify) {
  bool damaged = false;
  return open(communicator, directory, verify, damaged);
}

std::variant<CheckpointReader, UnopenedCheckpoint> CheckpointReader::try_open(const Communicator& communicator,
                                                                              const fs::path& directory,
                                                                              Verify verify) {
  bool damaged = false;
  try {
    return open(communicator, directory, verify, damaged);
  } catch (const Error& error) {
    if (error.code() != ExitCode::bad_data && error.code() != ExitCode::input_missing) throw;
    return UnopenedCheckpoint{error, damaged};
  }
}

bool CheckpointReader::contains(const std::string& name) const { return index_.contains(name); }

std::size_t CheckpointReader::index_of(const std::string& name) const {
  const auto found = index_.find(name);
  if (found == index_.end())
    throw DataError("the checkpoint holds no tensor \"" + name + "\"", path_.string(),
                    "it was written with another model or optimizer: use the settings that it was written with");
  return found->second;
}

const TensorInfo& CheckpointReader::tensor(const std::string& name) const { return manifest_.tensors[index_of(name)]; }

void CheckpointReader::expect(const TensorInfo& wanted) const {
  const TensorInfo& held = tensor(wanted.name);
  if (held == wanted) return;
  throw DataError(
      fmt::format("tensor {}: expected {} [{}], the checkpoint has {} [{}]", wanted.name, element_name(wanted.type),
                  fmt::join(wanted.shape, ", "), element_name(held.type), fmt::join(held.shape, ", ")),
      path_.string(), "use the model settings that the checkpoint was written with");
}

void CheckpointReader::read(const std::string& name, Range rows, void* destination) const {
  const std::size_t t = index_of(name);
  const TensorInfo& held = manifest_.tensors[t];
  if (rows.empty()) return;
  require(rows.begin >= 0 && rows.end <= held.rows(), "rows read from a checkpoint lie within the tensor");
  const std::int64_t row_bytes = held.row_bytes();
  file_.read_at(layout_.offsets[t] + rows.begin * row_bytes,
             std::span(static_cast<std::byte*>(destination), static_cast<std::size_t>(rows.size() * row_bytes)));
}

}  // namespace trellis
