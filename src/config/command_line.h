// The flags of one command, declared once: name, value, default, meaning. Parsing, checking and --help come from that
// one declaration. A flag is bound to a variable whose value at declaration is the default.
//
//   std::int64_t threads = 1;
//   CommandLine line("trellis-preprocess text [flags]", "Turns text into a corpus directory.");
//   line.section("Work").add("threads", "N", "worker threads", threads, {1, 256});
//   if (line.parse(arguments) == CommandLine::Parsed::help) fmt::print("{}", line.help());
//
// Accepted: "--name value", "--name=value", a list flag followed by several values or given several times, a repeated flag
// given several times with one value each, "-h", and "--" before values that begin with a dash. Names are never guessed from a prefix. What cannot be understood is a
// UsageError (exit 2) that names the nearest flag.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/facts.h"

namespace trellis {

// The candidate nearest to `name` by edit distance (a swap of neighbours counts one), or "" when none is near enough to
// be meant: more than two edits and more than a third of the letters away.
std::string nearest_name(std::string_view name, std::span<const std::string> candidates);

// For error messages: ", did you mean '<prefix><nearest>'?", or "" when nothing is near.
std::string suggestion(std::string_view name, std::span<const std::string> candidates, std::string_view prefix = "");

// The positional words of a command that takes settings: a flag that is none is then looked for among them (config/hints.h).
inline constexpr std::string_view kSettingWords = "section.option=value";

class CommandLine {
 public:
  enum class Parsed { ready, help, version };
  struct Limits {
    std::int64_t least = std::numeric_limits<std::int64_t>::min(), most = std::numeric_limits<std::int64_t>::max();
  };

  // usage: the line after "usage: "; summary: what the command does, printed below it.
  CommandLine(std::string usage, std::string summary);

  // Flags declared after this are listed under `title` by help().
  CommandLine& section(std::string title);

  // The target must outlive parse(). An empty string or list shows no default.
  CommandLine& add(std::string name, std::string value, std::string meaning, std::string& target);
  CommandLine& add(std::string name, std::string value, std::string meaning, std::int64_t& target, Limits limits);
  CommandLine& add(std::string name, std::string value, std::string meaning, double& target);
  CommandLine& add(std::string name, std::string value, std::string meaning, std::vector<std::string>& target);
  // One value each time it is given, any number of times: unlike a list flag it leaves the words behind its value alone.
  CommandLine& add_repeated(std::string name, std::string value, std::string meaning, std::vector<std::string>& target);
  // Takes no value: its presence assigns `when_given`.
  CommandLine& add_switch(std::string name, std::string meaning, bool& target, bool when_given = true);
  // Words that belong to no flag. Without this call they are errors. A list flag in front takes them: "--" ends it.
  CommandLine& positional(std::string value, std::string meaning, std::vector<std::string>& target);

  // How the flag that was declared last has to be given to the ranks of a job.
  enum class OnRanks {
    alike,  // as long as nothing is said
    place,  // a path, perhaps another on each machine: the command compares what is there, here counts only whether it is given
    own,    // concerns nothing but a rank's own machine
  };
  CommandLine& on_ranks(OnRanks rule);

  // Printed by help() behind the flags.
  CommandLine& appendix(std::string text);

  // Arguments without the program's name. --help or --version anywhere wins over everything else, errors included.
  Parsed parse(std::span<const std::string> arguments);
  // Was this flag on the command line that parse() saw?
  bool given(std::string_view name) const;
  // The command's name and what parse() saw of its flags, in their order, to be compared between ranks. Words that belong to no
  // flag are left out: the command knows what they mean.
  Facts facts() const;

  std::string help() const;

 private:
  enum class Kind { scalar, repeated, list, toggle };
  struct Flag {
    std::string name, value, meaning, default_text, section;
    Kind kind;
    std::function<void(const std::vector<std::string>&)> assign;
    OnRanks on_ranks = OnRanks::alike;
  };
  CommandLine& declare(Flag flag);
  std::vector<std::string> names() const;
  // What was meant by a flag that there is not; its value is looked for in the arguments.
  std::string hint(std::span<const std::string> arguments, std::string_view flag) const;

  std::string usage_, summary_, appendix_, section_ = "Flags";
  std::vector<Flag> flags_;
  std::map<std::string, std::string, std::less<>> given_;  // flag -> its values as one text
  std::string positional_value_, positional_meaning_;
  std::vector<std::string>* positional_ = nullptr;
};

// argv[1..] as strings.
std::vector<std::string> arguments_of(int argc, char** argv);

}  // namespace trellis
