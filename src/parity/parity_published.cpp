// What a network with weights from a file of their own answers, compared with what the model that they are of did.
#include "base/errors.h"
#include "model/language_stream.h"
#include "parity/parity.h"
#include "parity/parity_case.h"
#include "weights/published_weights.h"

namespace trellis {

std::vector<ParityResult> replay_published(const ParityFile& file, const SafetensorsFile& weights_file, at::TensorOptions options) {
  const AnsweringCase answers(file, options);
  const std::int64_t lanes = answers.lanes();
  const at::Tensor tokens = answers.tokens("tokens"), targets = answers.tokens("targets");
  if (targets.numel() != tokens.numel()) throw DataError("tokens and targets differ in shape", file.path(), "write the file again");
  const std::int64_t steps = tokens.numel() / lanes;
  answers.refuse_large(steps);
  Parameters weights(ParameterLayout(answers.shape()), options);
  read_published_weights(weights_file, answers.shape(), WordRows(), weights);

  LanguageStream stream(answers.shape(), lanes, steps, options);
  stream.use(weights);
  stream.begin_window(answers.history("h0", "c0"));
  stream.advance(tokens);
  const History history = stream.history();
  const at::Tensor log_probabilities = -stream.negative_log_probabilities(targets).view({steps, lanes}).t();
  const auto compare = [&](const char* name, const at::Tensor& actual) { return ParityResult{0, name, parity_error(actual, file.read(name))}; };
  return {compare("h", history.hidden), compare("c", history.cell), compare("target_log_prob", log_probabilities)};
}

}  // namespace trellis
