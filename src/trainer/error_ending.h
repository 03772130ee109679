// The stop event of a run that ends out of order: by an error, or because it hangs and is ended from another thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>

#include "base/exit_codes.h"
#include "ranks/ranks.h"

namespace trellis {

class ErrorEnding {
 public:
  explicit ErrorEnding(std::filesystem::path metrics);

  void reached(std::int64_t step, std::int64_t epoch);

  // Runs `work`. Where that ends by an exception, at_error is called first, then the event is written: by rank 0 for an error that all
  // ranks know of, by the rank that met it for any other, before it ends the job.
  ExitCode watch(const Ranks& ranks, const std::function<ExitCode()>& work, const std::function<void()>& at_error);

 private:
  // Shared with the thread that ends a process, which may outlive this.
  struct Reached {
    std::atomic<std::int64_t> step = 0, epoch = 0;
  };
  std::filesystem::path metrics_;
  std::shared_ptr<Reached> reached_ = std::make_shared<Reached>();
};

}  // namespace trellis
