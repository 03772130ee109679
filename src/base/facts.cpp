#include "base/facts.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace trellis {
namespace {

constexpr std::size_t kMostRanges = 6, kMostValues = 4, kLongestValue = 300;  // of a message

const Fact* find(const Facts& facts, const std::string& name) {
  const auto found = std::ranges::find(facts, name, &Fact::name);
  return found == facts.end() ? nullptr : &*found;
}

FactDifference difference_in(const Fact& fact, std::span<const Facts> of_ranks) {
  FactDifference difference{fact.kind, fact.name, {}};
  for (int rank = 0; rank < static_cast<int>(of_ranks.size()); ++rank) {
    const Fact* const own = find(of_ranks[static_cast<std::size_t>(rank)], fact.name);
    const std::optional<std::string> value = own ? std::optional(own->value) : std::nullopt;
    const auto share = std::ranges::find(difference.shares, value, &FactDifference::Share::value);
    if (share == difference.shares.end()) {
      difference.shares.push_back({value, {rank}});
    } else {
      share->ranks.push_back(rank);
    }
  }
  return difference;
}

std::string shown(const std::optional<std::string>& value) {
  if (!value) return "unknown there";
  if (value->empty()) return "empty";
  return value->size() <= kLongestValue ? *value : value->substr(0, kLongestValue) + "...";
}

bool is_data(FactKind kind) { return kind == FactKind::corpus || kind == FactKind::checkpoint || kind == FactKind::input; }

std::string place_of(FactKind kind) {
  switch (kind) {
    case FactKind::program: return "the program that each rank runs";
    case FactKind::flag: return "the ranks' command lines";
    case FactKind::setting: return "the ranks' settings";
    case FactKind::corpus: return "the corpus that each rank sees";
    case FactKind::checkpoint: return "the checkpoint that each rank sees";
    case FactKind::input: return "the files that each rank sees";
  }
  return "";
}

std::string advice_for(FactKind kind) {
  switch (kind) {
    case FactKind::program: return "start the same program with the same libraries on every rank";
    case FactKind::flag: return "give every rank the same command and flags";
    case FactKind::setting: return "give every rank the same configuration files and section.option=value words";
    case FactKind::corpus: return "give every rank the same corpus: one that all see, or a whole copy of it on each machine";
    case FactKind::checkpoint: return "give every rank the same checkpoint: one that all see, or a whole copy of it on each machine";
    case FactKind::input: return "give every rank the same file: one that all see, or a copy of it on each machine";
  }
  return "";
}

}  // namespace

void append(Facts& facts, Facts more) {
  facts.insert(facts.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

// Each part ends with a NUL: the kind as a digit, the name, the value.
std::string to_text(const Facts& facts) {
  std::string text;
  const auto put = [&](std::string_view part) {
    require(part.find('\0') == std::string_view::npos, "a fact holds no NUL");
    text.append(part).push_back('\0');
  };
  for (const Fact& fact : facts) {
    put(std::to_string(static_cast<int>(fact.kind)));
    put(fact.name);
    put(fact.value);
  }
  return text;
}

Facts facts_from_text(std::string_view text) {
  const auto take = [&] {
    const std::size_t end = text.find('\0');
    require(end != std::string_view::npos, "a rank's facts end in the middle of one");
    const std::string part(text.substr(0, end));
    text.remove_prefix(end + 1);
    return part;
  };
  Facts facts;
  while (!text.empty()) {
    const std::string kind = take();
    require(kind.size() == 1 && kind[0] >= '0' && kind[0] <= '0' + static_cast<int>(FactKind::input), "a rank's fact is of an unknown kind");
    std::string name = take();
    facts.push_back({static_cast<FactKind>(kind[0] - '0'), std::move(name), take()});
  }
  return facts;
}

std::optional<FactDifference> first_difference(std::span<const Facts> of_ranks) {
  if (of_ranks.empty()) return std::nullopt;
  const auto differs = [&](const Fact& fact) {
    return std::ranges::any_of(of_ranks, [&](const Facts& facts) {
      const Fact* const own = find(facts, fact.name);
      return !own || own->value != fact.value;
    });
  };
  for (const Facts& facts : of_ranks) {  // those of the first rank decide, unless others know more
    for (const Fact& fact : facts) {
      if (differs(fact)) return difference_in(fact, of_ranks);
    }
  }
  return std::nullopt;
}

std::string describe_ranks(std::span<const int> rising) {
  std::vector<std::string> ranges;
  std::size_t told = 0;
  for (std::size_t first = 0; first < rising.size() && ranges.size() < kMostRanges;) {
    std::size_t last = first;
    while (last + 1 < rising.size() && rising[last + 1] == rising[last] + 1) ++last;
    ranges.push_back(first == last ? std::to_string(rising[first]) : fmt::format("{}-{}", rising[first], rising[last]));
    told = first = last + 1;
  }
  const std::string more = told < rising.size() ? fmt::format(" and {} more", rising.size() - told) : "";
  return fmt::format("{} {}{}", rising.size() == 1 ? "rank" : "ranks", fmt::join(ranges, ", "), more);
}

Error error_of(const FactDifference& difference) {
  std::vector<std::string> shares;
  for (const auto& share : difference.shares) {
    if (shares.size() == kMostValues) break;
    shares.push_back(fmt::format("{}: {}", describe_ranks(share.ranks), shown(share.value)));
  }
  const std::size_t more = difference.shares.size() - shares.size();
  return Error(is_data(difference.kind) ? ExitCode::bad_data : ExitCode::wrong_setting,
               fmt::format("the ranks differ in {}: {}{}", difference.name, fmt::join(shares, "; "),
                           more > 0 ? fmt::format("; and {} other values", more) : ""),
               place_of(difference.kind), advice_for(difference.kind));
}

}  // namespace trellis
