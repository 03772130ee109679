#include "storage/read_text.h"

#include <array>
#include <cerrno>
#include <fmt/core.h>
#include <poll.h>
#include <span>
#include <unistd.h>

#include "base/errors.h"
#include "base/stop_request.h"

namespace trellis {

std::string read_text(const std::filesystem::path& path, std::int64_t largest, const std::string& fix_for_larger) {
  const File file = File::open_to_read(path, Links::refuse);
  const std::int64_t size = file.size();
  if (size > largest) throw DataError(fmt::format("the file has {} bytes, expected at most {}", size, largest), path.string(), fix_for_larger);
  std::string text(static_cast<std::size_t>(size), '\0');
  file.read_at(0, std::as_writable_bytes(std::span(text)));
  return text;
}

int read_to_end(int descriptor, std::int64_t largest, std::string& text) {
  std::array<char, 65536> block;
  while (static_cast<std::int64_t>(text.size()) <= largest) {
    pollfd waiting{descriptor, POLLIN, 0};  // somebody may be typing, and end it with Ctrl-D
    throw_if_stop_requested();
    if (::poll(&waiting, 1, 100) <= 0) continue;
    const ssize_t got = ::read(descriptor, block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno;
    if (got == 0) return 0;
    text.append(block.data(), static_cast<std::size_t>(got));
  }
  return 0;
}

}  // namespace trellis
