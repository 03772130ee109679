// What a rank was given and works with - program, flags, settings, data - as named texts, to be held against what the other
// ranks have (mpi/same_on_all.h): ranks that differ in any of it would train something that nobody asked for, or wait for each
// other for ever. Pure; who collects facts says what they are.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"

namespace trellis {

// Decides the exit code and the advice of a difference.
enum class FactKind {
  program,  // versions, build, libraries
  flag,     // of the command line
  setting,
  corpus,
  checkpoint,
  input,  // any other file
};

struct Fact {
  FactKind kind;
  std::string name, value;  // "model.levels", "16"; without NUL
  bool operator==(const Fact&) const = default;
};

// In the order in which differences are told.
using Facts = std::vector<Fact>;

void append(Facts& facts, Facts more);

// For the way from rank to rank. from_text throws InternalError for what to_text did not write.
std::string to_text(const Facts& facts);
Facts facts_from_text(std::string_view text);

struct FactDifference {
  // A value and the ranks that have it, rising; no value where they do not know the fact at all.
  struct Share {
    std::optional<std::string> value;
    std::vector<int> ranks;
    bool operator==(const Share&) const = default;
  };
  FactKind kind;
  std::string name;
  std::vector<Share> shares;  // by their first ranks
  bool operator==(const FactDifference&) const = default;
};

// The first fact of rank 0 that another rank has otherwise or not at all; else the first of another rank that rank 0 has not.
// of_ranks[r] are the facts of rank r.
std::optional<FactDifference> first_difference(std::span<const Facts> of_ranks);

// "rank 3", "ranks 0-2, 5"; from a certain length on "ranks 0, 2, 4, 6-9 and 120 more".
std::string describe_ranks(std::span<const int> rising);

// "the ranks differ in model.levels: ranks 0-2: 3; rank 3: 30", with what to do about it; exit code 65 for data, 78 for the rest.
Error error_of(const FactDifference& difference);

}  // namespace trellis
