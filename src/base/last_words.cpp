#include "base/last_words.h"

#include <chrono>
#include <future>
#include <mutex>
#include <thread>
#include <utility>

namespace trellis {
namespace {

std::mutex mutex;
std::function<void(ExitCode)> words;

}  // namespace

LastWords::LastWords(std::function<void(ExitCode)> say) {
  const std::lock_guard lock(mutex);
  words = std::move(say);
}

LastWords::~LastWords() {
  const std::lock_guard lock(mutex);
  words = nullptr;
}

void say_last_words(ExitCode code) noexcept {
  try {
    std::unique_lock lock(mutex);
    const auto say = std::exchange(words, nullptr);
    lock.unlock();
    if (!say) return;
    std::packaged_task<void()> task([say, code] { say(code); });
    const std::future<void> said = task.get_future();
    std::thread(std::move(task)).detach();
    said.wait_for(std::chrono::seconds(1));
  } catch (...) {  // the process ends anyway, and its exit code tells
  }
}

}  // namespace trellis
