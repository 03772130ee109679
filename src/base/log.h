// Messages to people, on standard error: "[rank 1] warning: ...". Metrics and results do not go through here.
// Before set_log_rank is called there is no rank in front. Thread-safe.
#pragma once

#include <fmt/core.h>

#include <string_view>

namespace trellis {

enum class LogLevel { info, warning, error };

// Names this process in every later message. Info is printed by rank 0 only, warnings and errors by every rank.
void set_log_rank(int rank, int size);

void log_message(LogLevel level, std::string_view message);

template <class... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  log_message(LogLevel::info, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  log_message(LogLevel::warning, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_error(fmt::format_string<Args...> format, Args&&... args) {
  log_message(LogLevel::error, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace trellis
