#include "base/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>

namespace trellis {
namespace {

std::atomic<int> log_rank{0};
std::atomic<int> log_size{1};

spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> instance = [] {
    auto made = spdlog::stderr_color_mt("trellis");
    made->set_pattern("%v");
    return made;
  }();
  return *instance;
}

}  // namespace

void set_log_rank(int rank, int size) {
  log_rank = rank;
  log_size = size;
}

void log_message(LogLevel level, std::string_view message) {
  const int rank = log_rank;
  if (level == LogLevel::info && rank != 0) return;
  const std::string prefix = log_size > 1 && level != LogLevel::info ? fmt::format("[rank {}] ", rank) : std::string();
  switch (level) {
    case LogLevel::info: logger().info("{}{}", prefix, message); break;
    case LogLevel::warning: logger().warn("{}warning: {}", prefix, message); break;
    case LogLevel::error: logger().error("{}error: {}", prefix, message); break;
  }
}

}  // namespace trellis
