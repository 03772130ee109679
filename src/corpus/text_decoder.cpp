#include "corpus/text_decoder.h"

#include "base/errors.h"
#include "corpus/tokenize.h"

namespace trellis {

TextDecoder::TextDecoder(const Vocabulary& vocabulary, Lines lines, std::string_view before)
    : vocabulary_(vocabulary), lines_(lines), after_word_(!before.empty() && !is_space(before.back())) {}

std::string TextDecoder::append(std::int64_t id) {
  require(id >= 0 && id < vocabulary_.size(), "a token to be decoded is outside the vocabulary");
  const std::string_view token = vocabulary_[id];
  if (lines_ == Lines::end_with_eos && token == kEndOfLine) {
    after_word_ = false;
    return "\n";
  }
  std::string text(vocabulary_.unit() == Unit::word && after_word_ ? " " : "");
  after_word_ = true;
  return text.append(token);
}

}  // namespace trellis
