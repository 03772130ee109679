// Weights under the parameter names of the paper's authors (the state_dict of their PyTorch models), in safetensors files;
// docs/weights.md has the table of names. Shapes are the published ones of model/parameters.h.
//
// Their models know most parameters under several names: the trellis as tnet and as network.0, the decoder as the embedding,
// a mixture as mixsoft and as network.1. A tensor is written once, under the first of them; the metadata say of each other one which
// that is, as safetensors.torch.save_model does. Those that are there when a file is read must hold the same. In
// criterion.tail_vectors and criterion.tail_bias row -n, counted from the end, is tail cluster n = 1, 2, ...
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "model/parameters.h"
#include "weights/safetensors.h"
#include "weights/weights_reader.h"
#include "weights/word_rows.h"

namespace trellis {

struct PublishedNames {
  std::string parameter;               // model/parameters.h
  std::vector<std::string> tied;       // of the authors' model; the first is the one that is written, and that errors name
  std::vector<std::string> also_read;  // of a model without the authors' wrapper for weight dropout
  std::vector<std::string> all() const;
};

// In the order of the layout.
std::vector<PublishedNames> published_names(const TrellisShape& shape);

// Fills every parameter from the file, whose tensors are exactly the network's. Throws DataError that tells all that does
// not fit; where other settings would, it names them.
void read_published_weights(const SafetensorsFile& file, const TrellisShape& shape, const WordRows& words, Parameters& weights);

// Fills one parameter, if the file has it; false if it has not. Problems are left with the reader.
bool take_published(WeightsReader& reader, const PublishedNames& names, WeightsReader::Need need, const WordRows& words, Parameters& weights);

// metadata: what to write beside the names of tied tensors. Throws what write_safetensors throws.
void write_published_weights(const std::filesystem::path& path, const TrellisShape& shape, const Parameters& weights,
                             SafetensorsMetadata metadata);

}  // namespace trellis
