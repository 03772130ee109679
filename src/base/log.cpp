#include "base/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <mutex>
#include <utility>

#include "base/log_hook.h"

namespace trellis {
namespace {

std::atomic<int> log_rank{0};
std::atomic<int> log_size{1};

std::mutex hook_mutex;
std::function<void()> before_message;

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

void set_before_message(std::function<void()> hook) {
  const std::lock_guard lock(hook_mutex);
  before_message = std::move(hook);
}

void log_message(LogLevel level, std::string_view message) {
  const int rank = log_rank;
  if (level == LogLevel::info && rank != 0) return;
  const std::string prefix = log_size > 1 && level != LogLevel::info ? fmt::format("[rank {}] ", rank) : std::string();
  const std::lock_guard lock(hook_mutex);
  if (before_message) before_message();
  switch (level) {
    case LogLevel::info: logger().info("{}{}", prefix, message); break;
    case LogLevel::warning: logger().warn("{}warning: {}", prefix, message); break;
    case LogLevel::error: logger().error("{}error: {}", prefix, message); break;
  }
}

}  // namespace trellis
