#include "base/output.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/errors.h"

namespace trellis {
namespace {

int first_error = 0;  // errno

void note(bool written) {
  if (!written && first_error == 0) first_error = errno == 0 ? EIO : errno;
}

}  // namespace

void write_output(std::string_view text) {
  errno = 0;
  note(std::fwrite(text.data(), 1, text.size(), stdout) == text.size());
}

void expect_output_written() {
  errno = 0;
  note(std::fflush(stdout) == 0);
  if (first_error == 0 || first_error == EPIPE) return;
  throw WriteError(fmt::format("what was printed could not be written in full: {}", std::strerror(first_error)), "standard output",
                   "check the space left where it goes to, and that it is open");
}

}  // namespace trellis
