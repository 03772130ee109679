#include "comm/faults/rank_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <sstream>

#include "base/errors.h"

namespace trellis {
namespace {

// A field ends with a tab, a line with a newline: neither occurs in a field.
std::string clean(std::string text) {
  for (char& c : text) {
    if (c == '\t' || c == '\n') c = ' ';
  }
  return text;
}

class Fields {
 public:
  explicit Fields(const std::string& line) : stream_(line) {}
  std::string text() {
    std::string field;
    if (!std::getline(stream_, field, '\t')) throw InternalError("a rank's report ends early", "watchdog", "");
    return field;
  }
  std::int64_t number() {
    const std::string field = text();
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
    if (error != std::errc() || end != field.data() + field.size())
      throw InternalError(fmt::format("\"{}\" in a rank's report is no number", field), "watchdog", "");
    return value;
  }
  bool empty() { return stream_.peek() == std::istringstream::traits_type::eof(); }

 private:
  std::istringstream stream_;
};

void write(std::string& text, const char* kind, const RankReport::Operation& operation) {
  text += fmt::format("{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t\n", kind, operation.group, int{operation.message}, int{operation.waited}, operation.number, operation.peer,
                      operation.milliseconds, clean(operation.signature), clean(operation.text));
}

RankReport::Operation read_operation(Fields& fields) {
  RankReport::Operation operation;
  operation.group = static_cast<int>(fields.number());
  operation.message = fields.number() != 0;
  operation.waited = fields.number() != 0;
  operation.number = static_cast<std::uint64_t>(fields.number());
  operation.peer = static_cast<int>(fields.number());
  operation.milliseconds = fields.number();
  operation.signature = fields.text();
  operation.text = fields.text();
  return operation;
}

RankReport::Operation reported(const OperationRecord& record, const OperationLog::Group& group, std::chrono::steady_clock::time_point since) {
  RankReport::Operation operation;
  operation.group = record.group;
  operation.message = record.is_message();
  operation.number = record.number;
  operation.text = record.text();
  operation.signature = record.name();
  // the sizes of an all_to_all differ from rank to rank
  if (record.dimensions >= 0 && record.operation != Operation::all_to_all) operation.signature += " of " + record.tensor();
  if (record.is_message() && record.peer >= 0 && record.peer < static_cast<int>(group.members.size()))
    operation.peer = group.members[static_cast<std::size_t>(record.peer)];
  operation.milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - since).count();
  return operation;
}

}  // namespace

std::string RankReport::to_text() const {
  std::string text;
  for (const Group& group : groups) {
    text += fmt::format("group\t{}\t{}\t", clean(group.name), group.collectives);
    for (const int member : group.members) text += fmt::format("{}\t", member);
    text += '\n';
  }
  for (const Operation& operation : open) write(text, "open", operation);
  for (const Operation& operation : ended) write(text, "ended", operation);
  for (const std::string& scope : scopes) text += fmt::format("scope\t{}\t\n", clean(scope));
  return text;
}

RankReport RankReport::from_text(const std::string& text) {
  RankReport report;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    Fields fields(line);
    const std::string kind = fields.text();
    if (kind == "group") {
      Group group{fields.text(), {}, 0};
      group.collectives = static_cast<std::uint64_t>(fields.number());
      while (!fields.empty()) group.members.push_back(static_cast<int>(fields.number()));
      report.groups.push_back(std::move(group));
    } else if (kind == "open") {
      report.open.push_back(read_operation(fields));
    } else if (kind == "ended") {
      report.ended.push_back(read_operation(fields));
    } else if (kind == "scope") {
      report.scopes.push_back(fields.text());
    } else {
      throw InternalError(fmt::format("a rank's report has a line \"{}\"", line), "watchdog", "");
    }
  }
  for (const auto* operations : {&report.open, &report.ended}) {
    for (const Operation& operation : *operations)
      require(operation.group >= 0 && operation.group < static_cast<int>(report.groups.size()), "a rank's report names a group that it lacks");
  }
  return report;
}

RankReport make_rank_report(Watchdog& watchdog) {
  const Watchdog::Waits waits = watchdog.waits();  // first: what ends meanwhile is then found ended
  const OperationLog::Snapshot log = watchdog.log().snapshot();
  RankReport report;
  for (const OperationLog::Group& group : log.groups) report.groups.push_back({group.name, group.members, group.collectives});
  const auto group_of = [&](const OperationRecord& record) -> const OperationLog::Group& {
    return log.groups[static_cast<std::size_t>(record.group)];
  };
  for (const OperationRecord& record : log.open) {
    report.open.push_back(reported(record, group_of(record), record.begun));
    report.open.back().waited = std::find(waits.operations.begin(), waits.operations.end(), record.id) != waits.operations.end();
  }
  for (const OperationRecord& record : log.ended) report.ended.push_back(reported(record, group_of(record), record.ended));
  report.scopes = waits.scopes;
  return report;
}

}  // namespace trellis
