#include "report/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "report/wording.h"

namespace trellis {
namespace {

std::string took(const RunSummary& summary) {
  const char* what = summary.is_text ? "tokens" : "sequences";
  std::string text = fmt::format("{} here: {} step{}, {} {}", format_duration(summary.seconds), summary.steps, summary.steps == 1 ? "" : "s",
                                 summary.scored, what);
  if (summary.step_seconds > 0) text += fmt::format(", {} {}/s in steps", format_count(static_cast<double>(summary.scored) / summary.step_seconds), what);
  if (summary.validation_seconds > 0) text += fmt::format("; validation {}", format_duration(summary.validation_seconds));
  if (summary.checkpoint_seconds > 0) text += fmt::format("; checkpoints {}", format_duration(summary.checkpoint_seconds));
  return text;
}

}  // namespace

std::string shell_word(std::string_view text) {
  const auto is_plain = [](unsigned char c) { return c < 0x80 && (std::isalnum(c) || std::string_view("_-./=:,+@%").find(static_cast<char>(c)) != std::string_view::npos); };
  if (!text.empty() && std::all_of(text.begin(), text.end(), is_plain)) return std::string(text);
  std::string word = "'";
  for (const char c : text) {
    if (c == '\'') {
      word += "'\\''";
    } else {
      word += c;
    }
  }
  return word + "'";
}

std::vector<std::string> summary_lines(const RunSummary& summary) {
  std::vector<std::string> lines;
  const auto line = [&](const char* label, const std::string& text) { lines.push_back(fmt::format("  {:<9}{}", label, text)); };
  if (summary.best) {
    const RunSummary::Best& best = *summary.best;
    const std::string quality = !summary.is_text ? best.accuracy ? " accuracy " + format_accuracy(*best.accuracy) : "" : " ppl " + format_perplexity(best.loss_nats);
    line("best", fmt::format("validation loss {}{} at step {}{}", format_loss(best.loss_nats), quality, best.step,
                             best.checkpoint ? ": " + *best.checkpoint : ""));
  }
  if (summary.newest_checkpoint && !(summary.best && summary.best->checkpoint == summary.newest_checkpoint)) {
    line("newest", *summary.newest_checkpoint);
  }
  line("took", took(summary));
  const std::string program = shell_word(summary.program), where = fmt::format("--run {} --data {}", shell_word(summary.run), shell_word(summary.data));
  const std::string resume =
      fmt::format("{}{} train --resume auto {}", summary.ranks > 1 ? fmt::format("{} -n {} ", shell_word(summary.launcher), summary.ranks) : "", program, where);
  if (summary.resumable) {
    line("go on", resume);
    return lines;
  }
  line("evaluate", fmt::format("{} evaluate {}", program, where));
  if (summary.is_text) line("generate", fmt::format("{} generate {}", program, where));
  if (summary.further) line("train on", fmt::format("{} {}", resume, *summary.further));
  return lines;
}

}  // namespace trellis
