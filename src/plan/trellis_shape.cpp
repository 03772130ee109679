#include "plan/trellis_shape.h"

#include <fmt/core.h>

#include "base/errors.h"

namespace trellis {
namespace {

void at_least(const char* name, std::int64_t value, std::int64_t least) {
  if (value >= least) return;
  throw ConfigError(fmt::format("{} is {}, but must be at least {}", name, value, least), name,
                    fmt::format("set {} to {} or more", name, least));
}

}  // namespace

std::int64_t TrellisShape::reach() const {
  std::int64_t steps = 0;
  for (std::int64_t level = 0; level < levels; ++level) steps += halo_of(level);
  return steps;
}

void TrellisShape::validate() const {
  at_least("model.levels", levels, 1);
  at_least("model.hidden", hidden, 1);
  at_least("model.outputs", outputs, 1);
  at_least("model.kernel", kernel, 2);
  at_least("model.injection_every", injection_every, 1);
  at_least("model.groups", groups, 0);
  at_least("model.experts", experts, 0);
  for (const std::int64_t dilation : dilations) at_least("model.dilations", dilation, 1);
  if (dilations.empty()) throw ConfigError("model.dilations is empty", "model.dilations", "give at least one, such as 1");
  if (outputs > hidden) {
    throw ConfigError(fmt::format("model.outputs ({}) is more than model.hidden ({})", outputs, hidden), "model.outputs",
                      "outputs are the last channels of hidden: raise model.hidden or lower model.outputs");
  }
  if (hidden % blocks() != 0) {
    throw ConfigError(fmt::format("model.groups ({}) does not divide model.hidden ({})", groups, hidden), "model.groups",
                      "groups are of equal size: change one of the two");
  }
  if (classifier) {
    if (experts > 0 || !cutoffs.empty() || auxiliary_every > 0) {
      throw ConfigError("a classifier has neither experts nor cutoffs nor auxiliary outputs", "model.task",
                        "set model.experts=0, model.cutoffs= and auxiliary.every=0");
    }
    at_least("model.outputs", outputs, 2);
    at_least("model.embedding", embedding, 1);
    return;
  }
  at_least("vocabulary", vocabulary, 2);
  at_least("model.embedding", embedding, 1);
  if (experts == 0 && embedding != outputs) {
    throw ConfigError(fmt::format("model.embedding ({}) differs from model.outputs ({})", embedding, outputs),
                      "model.embedding", "the decoder is the embedding, so the two must be equal unless there are experts");
  }
  if (experts > 0 && !cutoffs.empty()) {
    throw ConfigError(fmt::format("{} experts and {} cutoffs: a mixture's softmaxes are full ones", experts, cutoffs.size()),
                      "model.experts, model.cutoffs", "set one of the two only");
  }
  std::int64_t previous = 0;
  for (const std::int64_t cutoff : cutoffs) {
    if (cutoff <= previous || cutoff >= vocabulary) {
      throw ConfigError(fmt::format("cutoff {} does not lie between {} and the vocabulary's {} words", cutoff, previous,
                                    vocabulary),
                        "model.cutoffs", "give rising numbers below the vocabulary's size, or none for a full softmax");
    }
    previous = cutoff;
  }
}

}  // namespace trellis
