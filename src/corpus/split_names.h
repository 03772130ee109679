// Looking up a corpus's split by name, with an error that lists those that are there.
#pragma once

#include <filesystem>
#include <fmt/core.h>
#include <map>
#include <string>
#include <string_view>

#include "base/errors.h"

namespace trellis {

// Throws MissingInputError (66) for a split that the corpus in `directory` does not have.
template <class Entry>
const Entry& split_named(const std::map<std::string, Entry>& splits, std::string_view name,
                         const std::filesystem::path& directory) {
  const auto found = splits.find(std::string(name));
  if (found != splits.end()) return found->second;
  std::string names;
  for (const auto& [other, _] : splits) names += (names.empty() ? "" : ", ") + other;
  throw MissingInputError(fmt::format("the corpus has no split '{}', only: {}", name, names), directory.string(),
                          fmt::format("make it again with --{} FILE", name));
}

}  // namespace trellis
