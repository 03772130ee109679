// How a text is cut for evaluation where nobody says how: into as many lanes as make its matrix products fast, each with so much
// context in front that every token is scored with what it would have had in one lane, but for what cannot be told apart.
//
// A function of the text's length and of the network alone, so that the figure is the same on any number of ranks and threads.
#pragma once

#include <cstdint>

namespace trellis {

// Tokens of context with which a lane's perplexity is that of one lane. reach: steps that the network reaches back
// (TrellisShape::reach).
//   discard > 0   what a window computes depends on nothing before it: the overlap of the windows is enough to be exact
//   discard = 0   history is handed on for ever, and forgotten: what is older than this moves nothing
// Never below 64.
std::int64_t enough_context(std::int64_t window, std::int64_t discard, std::int64_t reach);

// Lanes for `tokens` tokens that go through windows of `stride` new steps each. One where the context would be too large a part
// of the work, or where one lane alone has rows enough.
std::int64_t lanes_for_evaluation(std::int64_t tokens, std::int64_t stride, std::int64_t context);

}  // namespace trellis
