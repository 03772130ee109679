// For whoever draws on the screen that messages go to: called before each message, so that no message begins at the end of a drawing.
#pragma once

#include <functional>

namespace trellis {

// One at a time; empty: none. Not called while or after this replaces it. The hook must not log.
void set_before_message(std::function<void()> hook);

}  // namespace trellis
