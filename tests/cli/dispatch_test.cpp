#include "cli/dispatch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/errors.h"
#include "base/version.h"

namespace trellis {
namespace {

using testing::HasSubstr;

struct Outcome {
  int code;
  std::string out, err;
  std::vector<std::string> seen;  // what the command got
};

Outcome run(const std::vector<std::string>& arguments) {
  Outcome outcome{};
  const Command commands[] = {
      {"train", "trains",
       [&](std::span<const std::string> words) {
         outcome.seen.assign(words.begin(), words.end());
         return 75;
       }},
      {"evaluate", "evaluates",
       [](std::span<const std::string>) -> int { throw DataError("3 tokens, expected 4", "shard", "rebuild it"); }},
      {"break", "breaks", [](std::span<const std::string>) -> int { throw std::runtime_error("a fault"); }},
  };
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  outcome.code = dispatch("trellis", "A summary.", commands, arguments);
  outcome.out = testing::internal::GetCapturedStdout();
  outcome.err = testing::internal::GetCapturedStderr();
  return outcome;
}

TEST(Dispatch, GivesTheCommandItsWordsAndReturnsItsExitCode) {
  const Outcome outcome = run({"train", "--config", "x", "--help"});
  EXPECT_EQ(outcome.code, 75);
  EXPECT_EQ(outcome.seen, (std::vector<std::string>{"--config", "x", "--help"}));
}

TEST(Dispatch, HelpListsEveryCommandOnStandardOutput) {
  for (const char* flag : {"--help", "-h"}) {
    const Outcome outcome = run({flag});
    EXPECT_EQ(outcome.code, 0);
    EXPECT_THAT(outcome.out, HasSubstr("usage: trellis COMMAND"));
    for (const char* name : {"train", "evaluate", "break"}) EXPECT_THAT(outcome.out, HasSubstr(name));
    EXPECT_EQ(outcome.err, "");
  }
}

TEST(Dispatch, VersionIsProgramAndNumber) {
  EXPECT_EQ(run({"--version"}).out, std::string("trellis ") + kVersion + "\n");
}

TEST(Dispatch, AnUnknownCommandIsAUsageErrorWithASuggestion) {
  const Outcome outcome = run({"trian"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("unknown command 'trian', did you mean 'train'?"));
  EXPECT_THAT(outcome.err, HasSubstr("trellis --help lists the commands"));
  EXPECT_EQ(outcome.out, "");
}

TEST(Dispatch, NoCommandAndAnUnknownFlagAreUsageErrors) {
  EXPECT_EQ(run({}).code, 2);
  EXPECT_THAT(run({}).err, HasSubstr("no command given"));
  EXPECT_EQ(run({"--verison"}).code, 2);
  EXPECT_THAT(run({"--verison"}).err, HasSubstr("unknown flag '--verison'"));
  EXPECT_EQ(run({""}).code, 2);
}

TEST(Dispatch, AnErrorBecomesItsMessageAndExitCode) {
  const Outcome outcome = run({"evaluate"});
  EXPECT_EQ(outcome.code, 65);
  EXPECT_THAT(outcome.err, HasSubstr("error: 3 tokens, expected 4\n  where: shard\n  fix:   rebuild it"));
}

TEST(Dispatch, AnyOtherExceptionIsAnInternalError) {
  const Outcome outcome = run({"break"});
  EXPECT_EQ(outcome.code, 70);
  EXPECT_THAT(outcome.err, HasSubstr("a fault"));
}

}  // namespace
}  // namespace trellis
