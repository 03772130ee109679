#include "report/memory.h"

#include <charconv>
#include <fstream>
#include <iterator>
#include <string>

namespace trellis {
namespace {

// "VmRSS:      1234 kB" somewhere at a line's beginning -> 1234 * 1024.
std::optional<std::int64_t> field_bytes(std::string_view text, const std::string& name) {
  const std::string label = name + ":";
  std::size_t at = text.starts_with(label) ? 0 : text.find("\n" + label);
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view line = text.substr(text.find(':', at) + 1);
  line = line.substr(0, line.find('\n'));
  const auto first = line.find_first_not_of(" \t");
  if (first == std::string_view::npos || !line.ends_with(" kB")) return std::nullopt;
  std::int64_t kibibytes = 0;
  const auto [end, failure] = std::from_chars(line.data() + first, line.data() + line.size(), kibibytes);
  if (failure != std::errc() || kibibytes < 0) return std::nullopt;
  return kibibytes * 1024;
}

}  // namespace

ProcessMemory parse_process_status(std::string_view text) {
  return {.resident_bytes = field_bytes(text, "VmRSS"), .peak_bytes = field_bytes(text, "VmHWM")};
}

ProcessMemory process_memory() {
  std::ifstream file("/proc/self/status");
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  return parse_process_status(text);
}

std::optional<std::int64_t> process_bytes_read() {
  std::ifstream file("/proc/self/io");
  std::string label;
  std::int64_t bytes = 0;
  if (!(file >> label >> bytes) || label != "rchar:" || bytes < 0) return std::nullopt;
  return bytes;
}

}  // namespace trellis
