// fault_table of comm/faults/rank_report.h.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "comm/faults/rank_report.h"

namespace trellis {
namespace {

constexpr std::size_t kMostRows = 64;

std::string seconds(std::int64_t milliseconds) { return fmt::format("{:.1f} s", static_cast<double>(milliseconds) / 1000); }

// "rank 1", "ranks 0-3, 5"
std::string ranks_text(const std::vector<int>& ranks) {
  std::vector<std::string> runs;
  for (std::size_t i = 0; i < ranks.size();) {
    std::size_t end = i + 1;
    while (end < ranks.size() && ranks[end] == ranks[end - 1] + 1) ++end;
    runs.push_back(end - i == 1 ? fmt::format("{}", ranks[i]) : fmt::format("{}{}{}", ranks[i], end - i == 2 ? ", " : "-", ranks[end - 1]));
    i = end;
  }
  return fmt::format("rank{} {}", ranks.size() == 1 ? "" : "s", fmt::join(runs, ", "));
}

const RankReport::Operation* first_waited(const RankReport& report) {
  const auto found = std::find_if(report.open.begin(), report.open.end(), [](const auto& operation) { return operation.waited; });
  return found == report.open.end() ? nullptr : &*found;
}

struct Row {
  std::string waits, since, before;
};

Row row_of(const RankAnswer& rank) {
  if (!rank.report) return {"says nothing: " + rank.silence, "", ""};
  const RankReport& report = *rank.report;
  Row row;
  if (const RankReport::Operation* const waited = first_waited(report)) {
    row.waits = fmt::format("{} in group {}", waited->text, report.groups[static_cast<std::size_t>(waited->group)].name);
    row.since = seconds(waited->milliseconds);
  } else if (!report.scopes.empty()) {
    row.waits = report.scopes.front();
  } else {
    row.waits = "nothing: it computes, reads or writes";
  }
  if (report.ended.empty()) {
    row.before = "nothing yet";
  } else {
    const auto& last = report.ended.back();
    const std::string& group = report.groups[static_cast<std::size_t>(last.group)].name;
    row.before = fmt::format("{} in group {}, {} ago", last.text, group, seconds(last.milliseconds));
  }
  return row;
}

const RankReport::Group* group_named(const RankReport& report, const std::string& name) {
  const auto found = std::find_if(report.groups.begin(), report.groups.end(), [&](const auto& group) { return group.name == name; });
  return found == report.groups.end() ? nullptr : &*found;
}

// What the members of a group say of one of its collectives.
std::string collective_line(std::span<const RankAnswer> ranks, const std::string& name, const std::vector<int>& members,
                            std::uint64_t number, const std::string& signature) {
  std::vector<int> come, not_come, past, silent;
  std::map<std::string, std::vector<int>> others;
  for (const int member : members) {
    const RankAnswer* const rank = member < static_cast<int>(ranks.size()) ? &ranks[static_cast<std::size_t>(member)] : nullptr;
    if (!rank || !rank->report) {
      silent.push_back(member);
      continue;
    }
    const RankReport::Group* const group = group_named(*rank->report, name);
    const RankReport::Operation* found = nullptr;
    for (const auto* operations : {&rank->report->open, &rank->report->ended}) {
      for (const auto& operation : *operations) {
        if (operation.message || operation.number != number) continue;
        if (rank->report->groups[static_cast<std::size_t>(operation.group)].name == name) found = &operation;
      }
    }
    if (found && found->signature != signature)
      others[found->signature].push_back(member);
    else if (!group || group->collectives < number)
      not_come.push_back(member);
    else if (found && std::any_of(rank->report->open.begin(), rank->report->open.end(), [&](const auto& open) { return &open == found; }))
      come.push_back(member);
    else
      past.push_back(member);
  }
  std::string line = fmt::format("{} (collective {} of group {}): {} in it", signature, number, name, ranks_text(come));
  if (!past.empty()) line += fmt::format("; {} past it", ranks_text(past));
  for (const auto& [other, who] : others) line += fmt::format("; {} does {} in its place", ranks_text(who), other);
  if (!not_come.empty()) line += fmt::format("; NOT COME TO IT: {}", ranks_text(not_come));
  if (!silent.empty()) line += fmt::format("; SILENT: {}", ranks_text(silent));
  return line;
}

std::string message_line(std::span<const RankAnswer> ranks, int rank, const std::string& text, int peer) {
  const bool known = peer >= 0 && peer < static_cast<int>(ranks.size());
  const std::string does = !known ? "unknown" : row_of(ranks[static_cast<std::size_t>(peer)]).waits;
  return fmt::format("{} (rank {}): rank {} of the world, which it waits for: {}", text, rank, peer, does);
}

}  // namespace

std::string fault_table(std::span<const RankAnswer> ranks) {
  std::vector<Row> rows;
  std::size_t place_width = 5, waits_width = 8;
  for (const RankAnswer& rank : ranks) {
    rows.push_back(row_of(rank));
    place_width = std::max(place_width, rank.place.size());
    waits_width = std::max(waits_width, rows.back().waits.size());
  }
  const auto line_of = [&](const auto& rank, const std::string& place, const Row& row) {
    std::string line = fmt::format("{:>5}  {:<{}}  {:<{}}  {:>8}  {}", rank, place, place_width, row.waits, waits_width, row.since, row.before);
    line.erase(line.find_last_not_of(' ') + 1);
    return line + '\n';
  };
  std::string table = line_of("rank", "where", {"waits in", "since", "last ended"});
  // of very many: the silent ones and those that wait in nothing, then the first
  std::vector<std::size_t> shown;
  const auto telling = [&](std::size_t rank) { return !ranks[rank].report || !first_waited(*ranks[rank].report); };
  for (const bool wanted : {true, false}) {
    for (std::size_t rank = 0; rank < ranks.size() && shown.size() < kMostRows; ++rank) {
      if (telling(rank) == wanted) shown.push_back(rank);
    }
  }
  std::sort(shown.begin(), shown.end());
  for (const std::size_t rank : shown) table += line_of(rank, ranks[rank].place, rows[rank]);
  if (shown.size() < ranks.size()) table += fmt::format("  and {} ranks more that wait\n", ranks.size() - shown.size());

  std::vector<int> silent;
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
    if (!ranks[rank].report) silent.push_back(static_cast<int>(rank));
  }
  if (!silent.empty()) table += fmt::format("SILENT: {}\n", ranks_text(silent));

  std::set<std::pair<std::string, std::uint64_t>> seen;
  std::size_t lines = 0;
  for (std::size_t rank = 0; rank < ranks.size() && lines < kMostRows; ++rank) {
    if (!ranks[rank].report) continue;
    const RankReport& report = *ranks[rank].report;
    for (const auto& operation : report.open) {
      if (!operation.waited) continue;
      const RankReport::Group& group = report.groups[static_cast<std::size_t>(operation.group)];
      if (operation.message) {
        table += message_line(ranks, static_cast<int>(rank), operation.text, operation.peer) + '\n';
        ++lines;
      } else if (seen.emplace(group.name, operation.number).second) {
        table += collective_line(ranks, group.name, group.members, operation.number, operation.signature) + '\n';
        ++lines;
      }
    }
  }
  return table;
}

}  // namespace trellis
