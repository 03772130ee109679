#include "config/command_line.h"

#include <algorithm>
#include <boost/program_options.hpp>
#include <cctype>
#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <map>
#include <optional>
#include <utility>

#include "base/errors.h"
#include "config/hints.h"

namespace trellis {
namespace {

namespace po = boost::program_options;

// Edits (insert, delete, replace, swap of neighbours) between two short words.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), now(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    now[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      now[j] = std::min({last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) now[j] = std::min(now[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, now);
  }
  return last[b.size()];
}

template <class Number>
Number parse_number(const std::string& name, const std::string& text, const char* kind) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || text.empty())
    throw UsageError(fmt::format("--{} is '{}', expected {}", name, text, kind), "command line", "--help explains the flags");
  return number;
}

// Text broken at spaces into lines of at most `width`, each but the first indented.
std::string wrapped(const std::string& text, std::size_t indent, std::size_t width) {
  std::string out;
  std::size_t column = 0, at = 0;
  while (at < text.size()) {
    const std::size_t end = std::min(text.find_first_of(" \n", at), text.size());  // a line of the source ends where a blank could
    const std::size_t length = end - at;
    if (column > 0 && column + 1 + length > width) {
      out += "\n" + std::string(indent, ' ');
      column = 0;
    } else if (column > 0) {
      out += ' ';
      ++column;
    }
    out.append(text, at, length);
    column += length;
    at = end + 1;
  }
  return out;
}

}  // namespace

std::string nearest_name(std::string_view name, std::span<const std::string> candidates) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, name.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = edit_distance(name, candidate);
    if (distance < best_distance && distance < std::max(name.size(), candidate.size())) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::string suggestion(std::string_view name, std::span<const std::string> candidates, std::string_view prefix) {
  const std::string nearest = nearest_name(name, candidates);
  return nearest.empty() ? "" : fmt::format(", did you mean '{}{}'?", prefix, nearest);
}

CommandLine::CommandLine(std::string usage, std::string summary)
    : usage_(std::move(usage)), summary_(std::move(summary)) {}

CommandLine& CommandLine::section(std::string title) {
  section_ = std::move(title);
  return *this;
}

CommandLine& CommandLine::declare(Flag flag) {
  for (const Flag& other : flags_) require(other.name != flag.name, "a flag was declared twice");
  flag.section = section_;
  flags_.push_back(std::move(flag));
  return *this;
}

CommandLine& CommandLine::add(std::string name, std::string value, std::string meaning, std::string& target) {
  return declare({name, std::move(value), std::move(meaning), target, "", Kind::scalar,
                  [&target](const auto& given) { target = given.front(); }});
}

CommandLine& CommandLine::add(std::string name, std::string value, std::string meaning, std::int64_t& target,
                              Limits limits) {
  return declare({name, std::move(value), std::move(meaning), std::to_string(target), "", Kind::scalar,
                  [&target, name, limits](const auto& given) {
                    const auto number = parse_number<std::int64_t>(name, given.front(), "a whole number");
                    if (number < limits.least)
                      throw UsageError(fmt::format("--{} is {}, expected at least {}", name, number, limits.least),
                                       "command line", "--help explains the flags");
                    if (number > limits.most)
                      throw UsageError(fmt::format("--{} is {}, expected at most {}", name, number, limits.most),
                                       "command line", "--help explains the flags");
                    target = number;
                  }});
}

CommandLine& CommandLine::add(std::string name, std::string value, std::string meaning, double& target) {
  return declare({name, std::move(value), std::move(meaning), fmt::format("{}", target), "", Kind::scalar,
                  [&target, name](const auto& given) {
                    const double number = parse_number<double>(name, given.front(), "a number");
                    if (!std::isfinite(number))
                      throw UsageError(fmt::format("--{} is '{}', expected a finite number", name, given.front()),
                                       "command line", "--help explains the flags");
                    target = number;
                  }});
}

CommandLine& CommandLine::add(std::string name, std::string value, std::string meaning,
                              std::vector<std::string>& target) {
  std::string default_text = target.empty() ? "" : fmt::format("{}", fmt::join(target, " "));
  return declare({name, std::move(value), std::move(meaning), std::move(default_text), "", Kind::list,
                  [&target](const auto& given) { target = given; }});
}

CommandLine& CommandLine::add_repeated(std::string name, std::string value, std::string meaning, std::vector<std::string>& target) {
  return declare({name, std::move(value), std::move(meaning), "", "", Kind::repeated,
                  [&target](const auto& given) { target = given; }});
}

CommandLine& CommandLine::add_switch(std::string name, std::string meaning, bool& target, bool when_given) {
  return declare({name, "", std::move(meaning), "", "", Kind::toggle,
                  [&target, when_given](const auto&) { target = when_given; }});
}

CommandLine& CommandLine::on_ranks(OnRanks rule) {
  require(!flags_.empty(), "on_ranks is said of a flag");
  flags_.back().on_ranks = rule;
  return *this;
}

CommandLine& CommandLine::appendix(std::string text) {
  appendix_ = std::move(text);
  return *this;
}

CommandLine& CommandLine::positional(std::string value, std::string meaning, std::vector<std::string>& target) {
  positional_value_ = std::move(value);
  positional_meaning_ = std::move(meaning);
  positional_ = &target;
  return *this;
}

std::vector<std::string> CommandLine::names() const {
  std::vector<std::string> all{"help", "version"};
  for (const Flag& flag : flags_) all.push_back(flag.name);
  return all;
}

std::string CommandLine::hint(std::span<const std::string> arguments, std::string_view flag) const {
  const std::string name(flag.substr(0, flag.find('=')));
  std::optional<std::string> value;
  for (std::size_t n = 0; n < arguments.size(); ++n) {
    const std::string_view argument = arguments[n];
    const std::string_view said = argument.substr(std::min(argument.find_first_not_of('-'), argument.size()));
    if (said == name && n + 1 < arguments.size() && !arguments[n + 1].starts_with('-')) value = arguments[n + 1];
    if (said.starts_with(name + "=")) value = said.substr(name.size() + 1);
  }
  return flag_hint(name, value, names(), positional_value_ == kSettingWords);
}

CommandLine::Parsed CommandLine::parse(std::span<const std::string> arguments) {
  for (const std::string& argument : arguments) {
    if (argument == "--") break;
    if (argument == "--help" || argument == "-h") return Parsed::help;
    if (argument == "--version") return Parsed::version;
  }
  const auto terminator = std::find(arguments.begin(), arguments.end(), "--");
  for (auto argument = arguments.begin(); argument != terminator; ++argument)
    if (argument->size() > 1 && (*argument)[0] == '-' && std::isalpha(static_cast<unsigned char>((*argument)[1])))
      throw UsageError(fmt::format("unknown flag '{}'{}", *argument, hint(arguments, std::string_view(*argument).substr(1))), "command line",
                       "flags begin with two dashes; --help lists them");

  po::options_description described;
  for (const Flag& flag : flags_) {
    auto* value = po::value<std::vector<std::string>>();
    if (flag.kind == Kind::list) value->multitoken()->composing();
    if (flag.kind == Kind::toggle) value->zero_tokens();
    described.add(boost::shared_ptr<po::option_description>(
        new po::option_description(flag.name.c_str(), value, flag.meaning.c_str())));
  }
  std::vector<std::string> loose;
  try {
    namespace style = po::command_line_style;
    po::command_line_parser parser(std::vector<std::string>(arguments.begin(), arguments.end()));
    const po::parsed_options parsed =
        parser.options(described).style(style::allow_long | style::long_allow_adjacent | style::long_allow_next).run();
    std::map<std::string, std::vector<std::string>> values;
    for (const po::option& option : parsed.options) {
      if (option.position_key >= 0) {
        loose.insert(loose.end(), option.value.begin(), option.value.end());
        continue;
      }
      const auto flag =
          std::find_if(flags_.begin(), flags_.end(), [&](const Flag& f) { return f.name == option.string_key; });
      require(flag != flags_.end(), "the flag parser returned a flag that was not declared");
      if (flag->kind == Kind::scalar && values.contains(flag->name))
        throw UsageError(fmt::format("--{} is given twice, expected once", flag->name), "command line", "--help explains the flags");
      auto& all = values[flag->name];
      all.insert(all.end(), option.value.begin(), option.value.end());
    }
    for (const Flag& flag : flags_) {
      const auto found = values.find(flag.name);
      if (found == values.end()) continue;
      flag.assign(found->second);
      given_[flag.name] = fmt::format("{}", fmt::join(found->second, " "));
    }
  } catch (const po::unknown_option& unknown) {
    std::string name = unknown.get_option_name();
    name.erase(0, name.find_first_not_of('-'));
    name.erase(std::min(name.find('='), name.size()));
    throw UsageError(fmt::format("unknown flag '--{}'{}", name, hint(arguments, name)), "command line", "--help lists the flags");
  } catch (const po::error& error) {  // "the required argument for option '--x' is missing" and the like
    throw UsageError(error.what(), "command line", "--help lists the flags");
  }
  if (!loose.empty() && positional_ == nullptr)
    throw UsageError(fmt::format("'{}' belongs to no flag", loose.front()), "command line", "--help lists the flags");
  if (positional_ != nullptr) *positional_ = std::move(loose);
  return Parsed::ready;
}

Facts CommandLine::facts() const {
  const auto name_end = std::min({usage_.find(" ("), usage_.find(" ["), usage_.find(" --"), usage_.size()});
  Facts facts{{FactKind::flag, "the command", usage_.substr(0, name_end)}};
  for (const Flag& flag : flags_) {
    if (flag.on_ranks == OnRanks::own) continue;
    const auto text = given_.find(flag.name);
    const bool by_value = flag.on_ranks == OnRanks::alike && flag.kind != Kind::toggle;
    facts.push_back({FactKind::flag, "--" + flag.name,
                     text == given_.end() ? (by_value && !flag.default_text.empty() ? flag.default_text : "not given")
                     : by_value           ? text->second
                                          : "given"});
  }
  return facts;
}

bool CommandLine::given(std::string_view name) const { return given_.contains(name); }

std::string CommandLine::help() const {
  constexpr std::size_t kColumn = 30, kWidth = 90;
  std::string text = fmt::format("usage: {}\n\n{}\n", usage_, wrapped(summary_, 0, kWidth + kColumn));
  std::string section;
  const auto line = [&](std::string left, const std::string& right) {
    left = "  " + left;
    left += left.size() + 2 > kColumn ? "\n" + std::string(kColumn, ' ') : std::string(kColumn - left.size(), ' ');
    text += left + wrapped(right, kColumn, kWidth) + "\n";
  };
  if (positional_ != nullptr) {
    text += "\nArguments:\n";
    line(positional_value_, positional_meaning_);
  }
  for (const Flag& flag : flags_) {
    if (flag.section != section) text += fmt::format("\n{}:\n", section = flag.section);
    std::string left = "--" + flag.name;
    if (flag.kind != Kind::toggle) left += " " + flag.value + (flag.kind == Kind::list ? "..." : "");
    line(left,
         flag.default_text.empty() ? flag.meaning : fmt::format("{} (default {})", flag.meaning, flag.default_text));
  }
  text += "\nGeneral:\n";
  line("--help, -h", "print this and exit");
  line("--version", "print the version and exit");
  if (!appendix_.empty()) text += "\n" + appendix_;
  return text;
}

std::vector<std::string> arguments_of(int argc, char** argv) {
  return std::vector<std::string>(argv + std::min(argc, 1), argv + argc);
}

}  // namespace trellis
