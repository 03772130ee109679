#include "corpus/text_bits.h"

#include <numbers>

namespace trellis {

std::vector<TextBits> text_bits(double loss_nats, const SplitEntry& split) {
  if (!split.text) return {};
  const double bits = loss_nats / std::numbers::ln2 * static_cast<double>(split.tokens);
  std::vector<TextBits> each;
  if (split.text->characters) each.push_back({"character", bits / static_cast<double>(*split.text->characters)});
  each.push_back({"byte", bits / static_cast<double>(split.text->bytes)});
  return each;
}

double unknown_share(const SplitEntry& split) { return static_cast<double>(split.unknown) / static_cast<double>(split.tokens); }

}  // namespace trellis
