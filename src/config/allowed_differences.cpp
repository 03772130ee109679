#include "config/allowed_differences.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/errors.h"
#include "config/command_line.h"
#include "config/network_settings.h"

namespace trellis {
namespace {

std::vector<std::string> all_keys() {
  std::vector<std::string> keys = keys_that_weights_leave_open();
  keys.insert(keys.end(), {AllowedDifferences::kVocabulary, AllowedDifferences::kSequences});
  return keys;
}

}  // namespace

AllowedDifferences::AllowedDifferences(std::span<const std::string> flags) {
  const std::vector<std::string> keys = all_keys();
  for (const std::string& flag : flags) {
    for (std::size_t begin = 0; begin <= flag.size();) {
      const std::size_t end = std::min(flag.find(',', begin), flag.size());
      const std::string key = flag.substr(begin, end - begin);
      begin = end + 1;
      if (network_role(key) == NetworkRole::initial) {
        throw UsageError(fmt::format("--allow {}: this may differ anyway, trained weights do not depend on it", key), "command line", "leave it out");
      }
      if (network_role(key) == NetworkRole::told_by_tensors) {
        throw UsageError(fmt::format("--allow {}: this cannot differ, the tensors would not fit", key), "command line",
                         "give it the value that it had in training");
      }
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
        throw UsageError(fmt::format("--allow '{}' is nothing that weights are held against{}", key, suggestion(key, keys)), "command line",
                         fmt::format("give some of {}", fmt::join(keys, ", ")));
      }
      keys_.insert(key);
    }
  }
}

std::string AllowedDifferences::meaning() {
  return fmt::format("may differ from what the weights are of: some of {}, with commas between them; what does is told", fmt::join(all_keys(), ", "));
}

}  // namespace trellis
