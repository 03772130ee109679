#include "report/summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace trellis {
namespace {

using testing::ElementsAre;

RunSummary finished_run() {
  return {.step = 450,
          .best = RunSummary::Best{.loss_nats = 6.6, .step = 400, .checkpoint = "runs/a/checkpoints/step-0000000400"},
          .newest_checkpoint = "runs/a/checkpoints/step-0000000450",
          .steps = 450,
          .scored = 230400,
          .seconds = 192,
          .step_seconds = 180,
          .validation_seconds = 11,
          .checkpoint_seconds = 0.5,
          .program = "build/bin/trellis",
          .run = "runs/a",
          .data = "data/my text",
          .further = "train.steps=900"};
}

TEST(Summary, SaysWhatIsBestWhatItTookAndWhatComesNext) {
  EXPECT_THAT(summary_lines(finished_run()),
              ElementsAre("  best     validation loss 6.6000 ppl 735.1 at step 400: runs/a/checkpoints/step-0000000400",
                          "  newest   runs/a/checkpoints/step-0000000450",
                          "  took     3m12s here: 450 steps, 230400 tokens, 1280 tokens/s in steps; validation 11s; checkpoints 0.50s",
                          "  evaluate build/bin/trellis evaluate --run runs/a --data 'data/my text'",
                          "  generate build/bin/trellis generate --run runs/a --data 'data/my text'",
                          "  train on build/bin/trellis train --resume auto --run runs/a --data 'data/my text' train.steps=900"));
}

TEST(Summary, OfARunThatWasStoppedSaysHowItGoesOn) {
  RunSummary summary = finished_run();
  summary.resumable = true;
  summary.ranks = 4;
  EXPECT_EQ(summary_lines(summary).back(), "  go on    mpirun -n 4 build/bin/trellis train --resume auto --run runs/a --data 'data/my text'");
  summary.launcher = "my clone/launch/run";
  EXPECT_EQ(summary_lines(summary).back(),
            "  go on    'my clone/launch/run' -n 4 build/bin/trellis train --resume auto --run runs/a --data 'data/my text'");
  EXPECT_EQ(summary_lines(summary).size(), 4u);
}

TEST(Summary, OfAClassifierSpeaksOfSequencesAndAccuracy) {
  RunSummary summary = finished_run();
  summary.is_text = false;
  summary.best->accuracy = 0.875;
  const auto lines = summary_lines(summary);
  EXPECT_EQ(lines[0], "  best     validation loss 6.6000 accuracy 87.50 % at step 400: runs/a/checkpoints/step-0000000400");
  EXPECT_THAT(lines[2], testing::HasSubstr("230400 sequences"));
  EXPECT_THAT(lines, testing::Not(testing::Contains(testing::HasSubstr(" generate "))));
}

TEST(Summary, LeavesOutWhatThereIsNot) {
  EXPECT_THAT(summary_lines({.steps = 0, .run = "r", .data = "d"}),
              ElementsAre("  took     0.00s here: 0 steps, 0 tokens", "  evaluate trellis evaluate --run r --data d", "  generate trellis generate --run r --data d"));
  RunSummary one = finished_run();
  one.newest_checkpoint = one.best->checkpoint;
  EXPECT_THAT(summary_lines(one), testing::Not(testing::Contains(testing::HasSubstr("newest"))));
}

TEST(ShellWord, QuotesWhatAShellWouldTakeApart) {
  EXPECT_EQ(shell_word("runs/a-1_b.c"), "runs/a-1_b.c");
  EXPECT_EQ(shell_word("my run"), "'my run'");
  EXPECT_EQ(shell_word("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_word("$HOME"), "'$HOME'");
  EXPECT_EQ(shell_word("~"), "'~'");
  EXPECT_EQ(shell_word(""), "''");
}

}  // namespace
}  // namespace trellis
