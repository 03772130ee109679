// What may differ between a network and the weights that it is given, by the flag --allow: a setting that tells networks apart while
// the same weights fit (config/network_settings.h), or what their data is.
#pragma once

#include <set>
#include <span>
#include <string>

namespace trellis {

class AllowedDifferences {
 public:
  static constexpr const char* kVocabulary = "vocabulary";  // of a text: which words, as many as there are, and their order
  static constexpr const char* kSequences = "sequences";    // their steps and what their bytes stand for

  AllowedDifferences() = default;
  // Values of the flag, each one key or several with commas between them. Throws UsageError for what is none, naming the nearest.
  explicit AllowedDifferences(std::span<const std::string> flags);

  bool contains(const std::string& key) const { return keys_.contains(key); }

  // For --help.
  static std::string meaning();

 private:
  std::set<std::string> keys_;
};

}  // namespace trellis
