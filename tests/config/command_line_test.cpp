#include "config/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/errors.h"

namespace trellis {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct Flags {
  std::vector<std::string> train, rest;
  std::string unit = "word";
  std::int64_t threads = 1;
  double share = 0.5;
  bool eos = true;

  CommandLine line() {
    CommandLine made("demo [flags]", "Shows flags.");
    made.section("Input").add("train", "FILE", "training text", train).add("unit", "UNIT", "what a token is", unit);
    made.section("Work").add("threads", "N", "threads", threads, {1, 64}).add("share", "X", "a share", share);
    made.add_switch("no-eos", "no <eos>", eos, false);
    return made;
  }
};

std::string usage_error(CommandLine line, std::vector<std::string> arguments) {
  try {
    line.parse(arguments);
  } catch (const UsageError& error) {
    EXPECT_EQ(static_cast<int>(error.code()), 2);
    return error.what();
  }
  return "no error";
}

TEST(CommandLine, ReadsEveryKindOfFlag) {
  Flags flags;
  CommandLine line = flags.line();
  const std::vector<std::string> arguments{"--train", "a",     "b",        "--threads=4", "--train", "c",
                                           "--share", "-0.25", "--no-eos", "--unit",      "char"};
  EXPECT_EQ(line.parse(arguments), CommandLine::Parsed::ready);
  EXPECT_THAT(flags.train, ElementsAre("a", "b", "c"));
  EXPECT_EQ(flags.threads, 4);
  EXPECT_EQ(flags.share, -0.25);
  EXPECT_EQ(flags.unit, "char");
  EXPECT_FALSE(flags.eos);
  EXPECT_TRUE(line.given("threads"));
}

TEST(CommandLine, KeepsDefaultsOfFlagsThatAreNotGiven) {
  Flags flags;
  CommandLine line = flags.line();
  EXPECT_EQ(line.parse({}), CommandLine::Parsed::ready);
  EXPECT_EQ(flags.threads, 1);
  EXPECT_EQ(flags.unit, "word");
  EXPECT_FALSE(line.given("threads"));
}

TEST(CommandLine, SaysWhatIsWrongAndWhatIsNear) {
  Flags flags;
  EXPECT_THAT(usage_error(flags.line(), {"--thraeds", "2"}),
              HasSubstr("unknown flag '--thraeds', did you mean '--threads'?"));
  EXPECT_THAT(usage_error(flags.line(), {"--xyzzy"}), HasSubstr("unknown flag '--xyzzy'\n"));
  EXPECT_THAT(usage_error(flags.line(), {"-unit", "word"}), HasSubstr("unknown flag '-unit', did you mean '--unit'?"));
  EXPECT_THAT(usage_error(flags.line(), {"--thr", "2"}), HasSubstr("unknown flag '--thr'"));
  EXPECT_THAT(usage_error(flags.line(), {"--threads", "two"}),
              HasSubstr("--threads is 'two', expected a whole number"));
  EXPECT_THAT(usage_error(flags.line(), {"--threads", "2x"}), HasSubstr("--threads is '2x', expected a whole number"));
  EXPECT_THAT(usage_error(flags.line(), {"--threads", "99999999999999999999"}), HasSubstr("expected a whole number"));
  EXPECT_THAT(usage_error(flags.line(), {"--threads", "0"}), HasSubstr("--threads is 0, expected at least 1"));
  EXPECT_THAT(usage_error(flags.line(), {"--threads", "65"}), HasSubstr("--threads is 65, expected at most 64"));
  EXPECT_THAT(usage_error(flags.line(), {"--share", "nan"}), HasSubstr("--share is 'nan', expected a finite number"));
  EXPECT_THAT(usage_error(flags.line(), {"--unit", "a", "--unit", "b"}), HasSubstr("--unit is given twice"));
  EXPECT_THAT(usage_error(flags.line(), {"--threads"}), HasSubstr("'--threads' is missing"));
  EXPECT_THAT(usage_error(flags.line(), {"--train"}), HasSubstr("'--train' is missing"));
  EXPECT_THAT(usage_error(flags.line(), {"--no-eos=1"}), HasSubstr("no-eos"));
  EXPECT_THAT(usage_error(flags.line(), {"stray"}), HasSubstr("'stray' belongs to no flag"));
}

TEST(CommandLine, HelpWinsOverErrorsAndShowsDefaults) {
  Flags flags;
  CommandLine line = flags.line();
  EXPECT_EQ(line.parse(std::vector<std::string>{"--bad", "--help"}), CommandLine::Parsed::help);
  EXPECT_EQ(line.parse(std::vector<std::string>{"--version"}), CommandLine::Parsed::version);
  const std::string help = line.help();
  EXPECT_THAT(help, HasSubstr("usage: demo [flags]"));
  EXPECT_THAT(help, HasSubstr("\nInput:\n  --train FILE..."));
  EXPECT_THAT(help, HasSubstr("threads (default 1)"));
  EXPECT_THAT(help, HasSubstr("--no-eos"));
}

TEST(CommandLine, HelpFillsItsLinesWhereverTheTextWasBroken) {
  const std::string sentence = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen\nsixteen seventeen eighteen "
                               "nineteen twenty";
  std::string unbroken = sentence;
  std::replace(unbroken.begin(), unbroken.end(), '\n', ' ');
  EXPECT_EQ(CommandLine("demo", sentence).help(), CommandLine("demo", unbroken).help());
}

TEST(CommandLine, GivesLooseWordsToThePositionalList) {
  Flags flags;
  CommandLine line = flags.line();
  line.positional("section.option=value", "settings", flags.rest);
  EXPECT_EQ(line.parse(std::vector<std::string>{"a.b=-1", "--threads", "3", "c.d=2", "--", "--odd"}),
            CommandLine::Parsed::ready);
  EXPECT_THAT(flags.rest, ElementsAre("a.b=-1", "c.d=2", "--odd"));
}

TEST(CommandLine, ARepeatedFlagTakesOneValueEachTime) {
  std::vector<std::string> config, words;
  CommandLine line("program", "Does.");
  line.add_repeated("config", "FILE", "settings", config).positional("WORD", "words", words);
  const std::vector<std::string> arguments{"--config", "a.ini", "x=1", "--config=b.ini", "y=2"};
  EXPECT_EQ(line.parse(arguments), CommandLine::Parsed::ready);
  EXPECT_EQ(config, (std::vector<std::string>{"a.ini", "b.ini"}));
  EXPECT_EQ(words, (std::vector<std::string>{"x=1", "y=2"}));
}

TEST(NearestName, FindsSwapsAndRefusesStrangers) {
  const std::vector<std::string> names{"text", "images", "char"};
  EXPECT_EQ(nearest_name("txet", names), "text");
  EXPECT_EQ(nearest_name("image", names), "images");
  EXPECT_EQ(nearest_name("completely", names), "");
  EXPECT_EQ(nearest_name("", names), "");
}

TEST(CommandLine, TellsWhatRanksHaveToBeGivenAlike) {
  const auto facts = [](const std::vector<std::string>& arguments) {
    std::string data, resume = "none", profile;
    std::int64_t threads = 0;
    bool json = false;
    std::vector<std::string> config, words;
    CommandLine line("demo train --data DIR [flags] [word...]", "Shows flags.");
    line.section("Flags")
        .add_repeated("config", "FILE", "settings", config).on_ranks(CommandLine::OnRanks::place)
        .add("data", "DIR", "corpus", data).on_ranks(CommandLine::OnRanks::place)
        .add("resume", "WHAT", "from where", resume)
        .add("profile", "A:B", "steps", profile)
        .add("threads", "N", "threads", threads, {0, 64}).on_ranks(CommandLine::OnRanks::own)
        .add_switch("json", "print JSON", json)
        .positional("word", "words", words);
    EXPECT_EQ(line.parse(arguments), CommandLine::Parsed::ready);
    return line.facts();
  };
  const auto flag = [](const std::string& name, const std::string& value) { return Fact{FactKind::flag, name, value}; };
  EXPECT_THAT(facts({}), ElementsAre(flag("the command", "demo train"), flag("--config", "not given"), flag("--data", "not given"),
                                     flag("--resume", "none"), flag("--profile", "not given"), flag("--json", "not given")));
  EXPECT_THAT(facts({"--config", "a", "--config", "b", "--data=c", "--resume", "auto", "--threads", "3", "--json", "x=1"}),
              ElementsAre(flag("the command", "demo train"), flag("--config", "given"), flag("--data", "given"), flag("--resume", "auto"),
                          flag("--profile", "not given"), flag("--json", "given")));
  EXPECT_EQ(facts({"--resume", "none"}), facts({}));  // the default, spelled out
}

}  // namespace
}  // namespace trellis
