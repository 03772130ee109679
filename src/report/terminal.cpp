#include "report/terminal.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace trellis {
namespace {

constexpr int kUsualColumns = 80;

std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string link_of(const std::filesystem::path& path) {
  std::error_code failure;
  const std::filesystem::path target = std::filesystem::read_symlink(path, failure);
  return failure ? "" : target.string();
}

// /proc/PID/stat: "PID (NAME) STATE PARENT ...", the name with anything in it.
struct Process {
  std::string name;
  pid_t parent = 0;
};

std::optional<Process> process(const std::filesystem::path& folder) {
  const std::string stat = content_of(folder / "stat");
  const std::size_t open = stat.find('('), close = stat.rfind(')');
  if (open == std::string::npos || close == std::string::npos || close < open || close + 4 > stat.size()) return std::nullopt;
  Process found{.name = stat.substr(open + 1, close - open - 1)};
  const char* begin = stat.data() + close + 4;
  if (std::from_chars(begin, stat.data() + stat.size(), found.parent).ec != std::errc()) return std::nullopt;
  return found;
}

bool is_launcher(std::string_view name) {
  constexpr std::array<std::string_view, 4> kLaunchers{"mpirun", "mpiexec", "orterun", "prterun"};
  return std::any_of(kLaunchers.begin(), kLaunchers.end(), [&](std::string_view launcher) { return name.starts_with(launcher); });
}

// Flags by which a launcher changes what it copies, or sends it elsewhere, too.
bool copies_as_it_is(const std::string& command_line) {
  constexpr std::array<std::string_view, 5> kChanging{"tag-output", "timestamp-output", "xml", "output", "merge-stderr"};
  std::size_t at = 0;
  while (at < command_line.size()) {
    const std::size_t end = std::min(command_line.find('\0', at), command_line.size());
    std::string_view word = std::string_view(command_line).substr(at, end - at);
    at = end + 1;
    if (!word.starts_with('-')) continue;
    word.remove_prefix(std::min(word.find_first_not_of('-'), word.size()));
    if (std::any_of(kChanging.begin(), kChanging.end(), [&](std::string_view flag) { return word.starts_with(flag); })) return false;
    if (word.starts_with("orte_tag_output") || word.starts_with("orte_timestamp_output")) return false;
  }
  return true;
}

}  // namespace

std::optional<std::filesystem::path> launchers_standard_error(const std::filesystem::path& proc, pid_t self, int descriptor) {
  const auto folder = [&](pid_t pid) { return proc / std::to_string(pid); };
  const std::string pipe = link_of(folder(self) / "fd" / std::to_string(descriptor));
  if (!pipe.starts_with("pipe:") && !pipe.starts_with("socket:")) return std::nullopt;
  constexpr int kFarthest = 16;  // shells and wrappers may stand between
  std::optional<Process> at = process(folder(self));
  for (int n = 0; n < kFarthest && at && at->parent > 1; ++n) {
    const pid_t above = at->parent;
    at = process(folder(above));
    if (!at || !is_launcher(at->name)) continue;
    if (!copies_as_it_is(content_of(folder(above) / "cmdline"))) return std::nullopt;
    // the very pipe: a rank whose standard error was sent elsewhere has another
    std::error_code failure;
    for (std::filesystem::directory_iterator entry(folder(above) / "fd", failure), end; !failure && entry != end; entry.increment(failure)) {
      if (link_of(entry->path()) == pipe) return folder(above) / "fd" / "2";
    }
    return std::nullopt;
  }
  return std::nullopt;
}

std::optional<Terminal> Terminal::behind(int descriptor) {
  const char* name = std::getenv("TERM");
  if (name == nullptr || *name == '\0' || std::string_view(name) == "dumb") return std::nullopt;
  int found = -1;
  if (isatty(descriptor) == 1) {
    found = fcntl(descriptor, F_DUPFD_CLOEXEC, 3);
  } else if (const auto path = launchers_standard_error("/proc", getpid(), descriptor)) {
    for (const char* changing : {"OMPI_MCA_orte_tag_output", "OMPI_MCA_orte_timestamp_output", "OMPI_MCA_orte_output_filename"}) {
      if (std::getenv(changing) != nullptr) return std::nullopt;
    }
    found = open(path->c_str(), O_RDONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);  // to ask for its size; nothing is read
  }
  if (found < 0) return std::nullopt;
  Terminal terminal(found);
  if (isatty(found) != 1) return std::nullopt;
  return terminal;
}

Terminal::Terminal(Terminal&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

Terminal& Terminal::operator=(Terminal&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

Terminal::~Terminal() {
  if (descriptor_ >= 0) close(descriptor_);
}

int Terminal::columns() const {
  winsize size{};
  return ioctl(descriptor_, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : kUsualColumns;
}

}  // namespace trellis
