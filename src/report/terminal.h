// The terminal that a stream ends at. Under mpirun a rank's standard error is a pipe to mpirun, which copies every byte to its own:
// where that is a terminal, what a rank writes appears there as it was written, so a bar can be drawn.
#pragma once

#include <filesystem>
#include <optional>
#include <sys/types.h>

namespace trellis {

class Terminal {
 public:
  // Of this descriptor; nothing where it leads to none, or to one that cannot move its cursor (TERM).
  static std::optional<Terminal> behind(int descriptor);

  Terminal(Terminal&& other) noexcept;
  Terminal& operator=(Terminal&& other) noexcept;
  ~Terminal();

  int columns() const;  // now; 80 where it does not tell

 private:
  explicit Terminal(int descriptor) : descriptor_(descriptor) {}

  int descriptor_;  // owned
};

// Standard error of the mpirun that process `self` was started by, if descriptor `descriptor` of `self` is a pipe to it and it copies
// what comes as it is (not with --tag-output and the like). proc: /proc.
std::optional<std::filesystem::path> launchers_standard_error(const std::filesystem::path& proc, pid_t self, int descriptor);

}  // namespace trellis
