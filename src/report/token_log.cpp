#include "report/token_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/errors.h"

namespace trellis {
namespace {

// Length of the UTF-8 sequence at the beginning of `text`; 0 if there is none.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  const std::size_t length = byte(0) < 0x80 ? 1 : byte(0) < 0xC2 ? 0 : byte(0) < 0xE0 ? 2 : byte(0) < 0xF0 ? 3 : byte(0) < 0xF5 ? 4 : 0;
  if (length == 0 || length > text.size()) return 0;
  for (std::size_t at = 1; at < length; ++at) {
    if ((byte(at) & 0xC0) != 0x80) return 0;
  }
  return length;
}

}  // namespace

std::string escape_token(std::string_view token) {
  std::string escaped;
  while (!token.empty()) {
    const char first = token.front();
    std::size_t used = 1;
    if (first == '\t') {
      escaped += "\\t";
    } else if (first == '\n') {
      escaped += "\\n";
    } else if (first == '\r') {
      escaped += "\\r";
    } else if (first == '\\') {
      escaped += "\\\\";
    } else if (const std::size_t length = utf8_length(token); length == 0 || static_cast<unsigned char>(first) < 0x20 || first == 0x7F) {
      escaped += fmt::format("\\x{:02X}", static_cast<unsigned char>(first));
    } else {
      escaped += token.substr(0, length);
      used = length;
    }
    token.remove_prefix(used);
  }
  return escaped;
}

TokenLog::TokenLog(const std::filesystem::path& path) : path_(path.string()), file_(nullptr, &std::fclose) {
  const int descriptor = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (descriptor < 0 && errno == EEXIST) {
    throw OutputExistsError("there is something already", path_, "give a name that is not taken, or move it away");
  }
  if (descriptor < 0) fail(errno);
  file_.reset(::fdopen(descriptor, "w"));
  if (!file_) {
    const int number = errno;
    ::close(descriptor);
    fail(number);
  }
  if (std::fputs("position\tid\ttoken\tlog_probability\n", file_.get()) < 0) fail(errno);
}

TokenLog::~TokenLog() {
  if (file_) ::unlink(path_.c_str());
}

void TokenLog::fail(int number) const {
  throw WriteError(fmt::format("the log of the tokens cannot be written: {}", std::strerror(number)), path_,
                   "check that the folder is there, the permissions and the space left");
}

void TokenLog::write(std::int64_t position, std::int64_t id, std::string_view token, double log_probability) {
  const std::string line = fmt::format("{}\t{}\t{}\t{:.17g}\n", position, id, escape_token(token), log_probability);
  if (std::fwrite(line.data(), 1, line.size(), file_.get()) != line.size()) fail(errno);
}

void TokenLog::finish() {
  if (!file_) return;
  if (std::fflush(file_.get()) != 0) fail(errno);
  if (std::fclose(file_.release()) != 0) fail(errno);
}

}  // namespace trellis
