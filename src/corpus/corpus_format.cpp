#include "corpus/corpus_format.h"

#include <fmt/core.h>

namespace trellis {

std::string_view unit_name(Unit unit) {
  switch (unit) {
    case Unit::word:
      return "word";
    case Unit::character:
      return "char";
    case Unit::byte:
      return "byte";
  }
  return "";
}

std::optional<Unit> unit_from_name(std::string_view name) {
  for (const Unit unit : {Unit::word, Unit::character, Unit::byte})
    if (name == unit_name(unit)) return unit;
  return std::nullopt;
}

std::string shard_file_name(std::string_view split, int index) { return fmt::format("{}-{:05}.h5", split, index); }

}  // namespace trellis
