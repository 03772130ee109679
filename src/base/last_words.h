// What has still to be written when the process is ended from another thread than the one that works: by a watchdog, for
// instance. A run's stop event is written like this.
#pragma once

#include <functional>

#include "base/exit_codes.h"

namespace trellis {

// While it lives, `say` is what say_last_words() calls. One at a time. `say` runs on another thread while the work hangs or goes on,
// and may outlive this, so it holds what it needs, made for several threads.
class LastWords {
 public:
  explicit LastWords(std::function<void(ExitCode)> say);
  ~LastWords();
  LastWords(const LastWords&) = delete;
  LastWords& operator=(const LastWords&) = delete;
};

// Called by whoever is about to end the process. Says them once, and waits no longer than a second for them: what hangs may be the
// file system. Never throws.
void say_last_words(ExitCode code) noexcept;

}  // namespace trellis
