// What the operating system answers about paths, kept apart: there is nothing by that name, or it cannot be looked at just now.
// Who takes the second for the first begins anew where there is something, or calls a good file damaged. Every error that is
// thrown here is a MissingInputError (66) with the system's reason and what helps against it.
#pragma once

#include <cerrno>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/errors.h"

namespace trellis {

// There is nothing by that name. Caught by this type only where absence is an answer; else it is like any missing input.
class AbsentInputError : public MissingInputError {
 public:
  using MissingInputError::MissingInputError;
};

// The limit on open files is reached, the process's or the machine's: closing one helps.
class TooManyFilesError : public MissingInputError {
 public:
  using MissingInputError::MissingInputError;
};

// Whether `error`, an errno, says that there is nothing by that name. All others say that it cannot be looked at.
bool says_absent(int error);

// What a user can do about `error`, met while reading.
std::string fix_for_reading(int error);

// Throws MissingInputError, or the one of those above that fits: "cannot be read: Permission denied". tried: "read", "listed", ...
[[noreturn]] void throw_unreadable(const std::filesystem::path& path, int error, const char* tried = "read");

enum class PathKind { absent, file, directory, other };
// What the path leads to through symbolic links, and what stands there itself (a link is `other`). Throw MissingInputError
// where the system does not tell.
PathKind kind_of_path(const std::filesystem::path& path);
PathKind kind_of_entry(const std::filesystem::path& path);

// The names in a directory but "." and "..", sorted; empty optional where there is no such directory. Throws
// MissingInputError where it cannot be listed to its end.
std::optional<std::vector<std::string>> names_in_directory(const std::filesystem::path& directory);

// The result of a system call that is repeated as long as signals interrupt it, within reason: a file system that answers
// nothing else is told as an error (EINTR).
template <class Call>
auto uninterrupted(Call&& call) {
  constexpr int kMostTries = 1000;
  auto result = call();
  for (int tries = 1; result < 0 && errno == EINTR && tries < kMostTries; ++tries) result = call();
  return result;
}

}  // namespace trellis
