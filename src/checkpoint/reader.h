// Opens a finished checkpoint and reads any rows of its tensors, on any number of ranks. Files are treated as hostile
// until checked: the manifest against its own hash, state.h5 against the manifest's hash, then its
// structure, without HDF5, against an allow-list (checkpoint/state_file.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <variant>
#include <vector>

#include "base/errors.h"
#include "base/verify.h"
#include "checkpoint/checkpoint_manifest.h"
#include "checkpoint/state_file.h"
#include "checkpoint/tensor_slice.h"
#include "mpi/communicator.h"
#include "storage/file.h"

namespace trellis {

// Why a checkpoint was not opened, alike on every rank.
struct UnopenedCheckpoint {
  Error error;
  // Rank 0 has proof that it is not as it was written (checkpoint/damage.h), or one of its files is not there. Otherwise it
  // may be good: nobody may treat it as lost.
  bool damaged = false;
};

class CheckpointReader {
 public:
  // Collective. `directory` is the checkpoint's own, step-NNNNNNNNNN or whatever it was renamed to. Throws, alike on
  // every rank, MissingInputError when there is no such directory, a file is missing or the system does not give it,
  // DataError when anything in it is wrong.
  static CheckpointReader open(const Communicator& communicator, const std::filesystem::path& directory, Verify verify);
  // The same with such an error as a value.
  static std::variant<CheckpointReader, UnopenedCheckpoint> try_open(const Communicator& communicator,
                                                                     const std::filesystem::path& directory,
                                                                     Verify verify);

  const std::filesystem::path& path() const { return path_; }
  std::int64_t step() const { return manifest_.step; }
  const nlohmann::json& state() const { return manifest_.state; }
  const std::vector<TensorInfo>& tensors() const { return manifest_.tensors; }
  const std::map<std::string, std::string>& libraries() const { return manifest_.libraries; }

  bool contains(const std::string& name) const;
  // Throws DataError when there is no tensor of that name.
  const TensorInfo& tensor(const std::string& name) const;
  // Throws DataError naming both when the checkpoint's tensor of that name has another type or shape.
  void expect(const TensorInfo& wanted) const;

  // Reads rows [begin, end) of dimension 0 into `destination`, row-major and contiguous. Local, calls no HDF5, and
  // may be called from several threads. Throws MissingInputError when the system does not give them, DataError when the file
  // was cut, InternalError when the rows do not exist.
  void read(const std::string& name, Range rows, void* destination) const;

 private:
  CheckpointReader(std::filesystem::path path, checkpoint::Manifest manifest, checkpoint::StateLayout layout,
                   File file);
  static CheckpointReader open(const Communicator& communicator, const std::filesystem::path& directory, Verify verify,
                               bool& damaged);
  std::size_t index_of(const std::string& name) const;

  std::filesystem::path path_;
  checkpoint::Manifest manifest_;
  checkpoint::StateLayout layout_;
  File file_;
  std::map<std::string, std::size_t> index_;
};

}  // namespace trellis
