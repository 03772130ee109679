// What determines a trellis network: sizes, dilations, where input enters and outputs leave, and what reads them.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace trellis {

struct TrellisShape {
  std::int64_t levels = 1;                   // depth of the trellis
  std::int64_t hidden = 1;                   // H: all channels of h
  std::int64_t outputs = 1;                  // O: the last O of them are the outputs
  std::int64_t embedding = 1;                // E: channels of the input; equal to O where the decoder is the embedding
  std::int64_t kernel = 2;                   // k: taps of the convolution
  std::vector<std::int64_t> dilations{1};    // cycled over the levels
  std::int64_t vocabulary = 1;               // V
  std::vector<std::int64_t> cutoffs;         // adaptive softmax: first word of every tail cluster; empty: full softmax
  bool weight_norm = true;
  std::int64_t auxiliary_every = 0;          // levels between auxiliary outputs; 0: none
  std::int64_t injection_every = 1;          // the input enters levels 0, n, 2n, ...
  std::int64_t groups = 0;                   // G of the mixed group convolution (paper, eq. 5); 0: dense kernel
  std::int64_t experts = 0;                  // K of the mixture of softmaxes; 0: one softmax
  bool classifier = false;                   // of whole sequences: no vocabulary; E channels a step, O classes

  std::int64_t dilation_of(std::int64_t level) const {
    return dilations[static_cast<std::size_t>(level) % dilations.size()];
  }
  // Steps that a level reaches back: the halo of its input.
  std::int64_t halo_of(std::int64_t level) const { return (kernel - 1) * dilation_of(level); }
  // Steps that the whole network reaches back: a result depends on its own step and so many before.
  std::int64_t reach() const;
  bool injected(std::int64_t level) const { return level % injection_every == 0; }

  // Blocks of channels by which gates lie in memory (kernels/gates.h), and the channels of one.
  std::int64_t blocks() const { return groups > 0 ? groups : 1; }
  std::int64_t block_channels() const { return hidden / blocks(); }

  std::int64_t auxiliary_outputs() const { return auxiliary_every > 0 ? levels / auxiliary_every : 0; }
  // Outputs are numbered 0 for the final one, n for the n-th auxiliary one, counted from 1.
  std::int64_t output_count() const { return 1 + auxiliary_outputs(); }
  std::vector<std::int64_t> outputs_of(std::int64_t level) const {
    std::vector<std::int64_t> numbers;
    if (level + 1 == levels) numbers.push_back(0);
    if (auxiliary_every > 0 && (level + 1) % auxiliary_every == 0) numbers.push_back((level + 1) / auxiliary_every);
    return numbers;
  }
  bool operator==(const TrellisShape&) const = default;

  // Throws ConfigError (naming the settings of section [model]) if the numbers do not make a network.
  void validate() const;
};

}  // namespace trellis
