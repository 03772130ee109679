// What one rank says of itself when an operation does not end, as a value that travels as text, and the table made of what
// all ranks say. Integers and texts only: the table can be tested without any rank.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "comm/faults/watchdog.h"

namespace trellis {

struct RankReport {
  struct Group {
    std::string name;
    std::vector<int> members;       // ranks of the world, in the group's order
    std::uint64_t collectives = 0;  // begun by this rank
    bool operator==(const Group&) const = default;
  };
  struct Operation {
    int group = 0;             // index into `groups`
    bool message = false;      // send or receive
    bool waited = false;       // the rank waits for its end
    std::uint64_t number = 0;  // of the group's collectives, or of its messages, on this rank
    int peer = -1;             // rank of the world that is sent to or received from; -1: not a message
    std::string signature;     // what must be the same on all ranks: "all_reduce of Float [2, 3]"
    std::string text;          // "all_reduce 4 of Float [2, 3]"
    std::int64_t milliseconds = 0;  // since it began, or ended
    bool operator==(const Operation&) const = default;
  };
  std::vector<Group> groups = {};
  std::vector<Operation> open = {}, ended = {};  // the oldest first
  std::vector<std::string> scopes = {};     // what else this rank is monitored in

  std::string to_text() const;
  // Throws InternalError for anything but what to_text makes.
  static RankReport from_text(const std::string& text);
  bool operator==(const RankReport&) const = default;
};

// This rank's, now.
RankReport make_rank_report(Watchdog& watchdog);

// A rank that is asked: who it is, and what it says, or why it says nothing.
struct RankAnswer {
  std::string place;  // "node1, process 4711"
  std::optional<RankReport> report;
  std::string silence;  // without a report: "its process is stopped"
};

// A row a rank, then a line for every operation that somebody waits in: who has come to it, who has not, who does something
// else, who is silent. Of very many ranks only the telling ones have a row.
std::string fault_table(std::span<const RankAnswer> ranks);

}  // namespace trellis
