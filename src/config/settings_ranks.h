// Which settings the ranks of a run must be given alike: all of them, for a run has one set of settings, which its checkpoints
// and settings.ini keep. A setting that another rank has otherwise makes another run of half of the ranks, or lets them wait for
// each other. Only those that concern nothing but a rank's own machine may differ.
#pragma once

#include <string_view>

#include "base/facts.h"
#include "config/settings.h"

namespace trellis {

bool may_differ_between_ranks(std::string_view key);

// A fact each setting that may not differ, in the order of settings.def.
Facts facts_of(const Settings& settings);

}  // namespace trellis
