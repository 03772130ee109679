// A run's length is said in steps or in passes. Whoever says it in one of them means that length: it takes the place of what an
// earlier source (file or checkpoint) said in the other, so train.epochs=3 on the command line trains three passes whatever
// train.steps the file has. Where one source says both, the run ends with the first that is reached.
#pragma once

#include <set>
#include <string>

#include "config/settings_io.h"

namespace trellis {

// given: keys that the source just applied to `loaded` gave. Sets the limit that gives way to 0, with that as its origin, and adds
// a notice.
void let_last_length_count(LoadedSettings& loaded, const std::set<std::string>& given);

}  // namespace trellis
