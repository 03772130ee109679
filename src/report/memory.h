// How much memory this process holds, and how much it has read, as the kernel counts them (VmRSS and VmHWM of /proc/self/status,
// rchar of /proc/self/io).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace trellis {

struct ProcessMemory {
  std::optional<std::int64_t> resident_bytes;  // now
  std::optional<std::int64_t> peak_bytes;      // the most since the process began
};

// Empty values where the system does not tell.
ProcessMemory process_memory();

// The two values out of the text of such a file.
ProcessMemory parse_process_status(std::string_view text);

// Bytes that calls of this process have read from files and the like since it began. Empty where the system does not tell.
std::optional<std::int64_t> process_bytes_read();

}  // namespace trellis
