// From a run's settings to the numbers that plan/ predicts memory, traffic and time from.
#pragma once

#include "config/settings.h"
#include "config/settings_io.h"
#include "predict/mesh_search.h"
#include "predict/run_numbers.h"

namespace trellis {

// shape: shape_from(settings, ...). Of a language model. gpu: the run computes on GPUs.
RunNumbers run_numbers_from(const Settings& settings, const TrellisShape& shape, bool gpu);

// What of [mesh] the user has given; the rest is to be found.
MeshWishes mesh_wishes_from(const Settings& settings, const SettingOrigins& origins);

}  // namespace trellis
