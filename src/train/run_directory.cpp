#include "train/run_directory.h"

#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/errors.h"
#include "mpi/agreement.h"

namespace trellis {

namespace fs = std::filesystem;

void RunDirectory::refuse_existing(const Communicator& world) const {
  agree(world, [&] {
    if (world.rank() != 0) return;
    std::error_code ignored;
    const bool has_checkpoints = fs::is_directory(checkpoints(), ignored) && !fs::is_empty(checkpoints(), ignored);
    if (!has_checkpoints && !fs::exists(metrics(), ignored)) return;
    throw OutputExistsError("the run directory already holds a run", path_.string(),
                            "go on with it by --resume auto, or give another --run directory");
  });
}

void RunDirectory::write_settings(const Communicator& world, const std::string& ini) const {
  agree(world, [&] {
    if (world.rank() != 0) return;
    const fs::path aside = settings().string() + ".tmp";
    std::ofstream file(aside);
    file << ini;
    file.close();
    std::error_code error;
    if (file) fs::rename(aside, settings(), error);
    if (!file || error) {
      throw WriteError(std::string("the settings cannot be written: ") + (error ? error.message() : std::strerror(errno)),
                       settings().string(), "make room, or give another --run directory");
    }
  });
}

}  // namespace trellis
