// The name of this machine, as people know it. Empty where the system does not tell.
#pragma once

#include <string>

namespace trellis {

std::string host_name();

}  // namespace trellis
