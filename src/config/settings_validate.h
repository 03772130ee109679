// Checks settings against each other, as far as that needs neither corpus nor mesh. Each value's own limits are checked
// when it is read (settings_io.h).
#pragma once

#include "config/settings.h"
#include "config/settings_io.h"

namespace trellis {

// Throws ConfigError (exit 78) for the first contradiction: both values, where each was given, and a way out.
void validate(const Settings& settings, const SettingOrigins& origins = {});

}  // namespace trellis
