// Weights of PyTorch's nn.LSTM, or of a language model around one, from a safetensors file: weight_ih_l0, weight_hh_l0,
// bias_ih_l0, bias_hh_l0 and so on for every layer, all behind one prefix ("rnn.", say) or none. What else a network has, its
// embedding above all, may be there under the names of published_weights.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/lstm_equivalent.h"
#include "model/parameters.h"
#include "weights/safetensors.h"
#include "weights/word_rows.h"

namespace trellis {

// Layers, width and input width of the one LSTM in the file, by its tensors' shapes. Throws DataError unless there is one,
// and for what a trellis network has no equal of: projections, a second direction.
LstmSize lstm_size(const SafetensorsFile& file);

// Fills kernels and bias so that the network equals the LSTM, and whatever else the file has. Gives back the names of the
// parameters that it does not have, which stay as they are. Throws DataError that tells all that does not fit.
std::vector<std::string> read_lstm_weights(const SafetensorsFile& file, const TrellisShape& shape, const WordRows& words, Parameters& weights);

}  // namespace trellis
