// Bytes of a batch of sequences to the numbers that a network takes, by the normalisation that the corpus records.
#pragma once

#include <ATen/ATen.h>

#include "corpus/sequence_description.h"
#include "data/sequence_batch_reader.h"
#include "model/sequence_classifier.h"

namespace trellis {

class NormalisedInput {
 public:
  NormalisedInput(const Normalisation& normalisation, at::TensorOptions options);
  // The input lies on the device of `options`; the labels share the batch's memory.
  LabelledSequences operator()(const SequenceBatch& batch) const;

 private:
  at::Tensor table_;  // [channels, 256]: what each byte becomes
  at::Device device_ = at::kCPU;
};

}  // namespace trellis
