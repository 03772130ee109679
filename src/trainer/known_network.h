// What is known of the network that given weights are of: a checkpoint knows all, a file that this program exported carries it in its
// metadata (docs/formats.md, "Weights exchange"), a file of another tool says nothing but its tensors. Whoever takes weights holds
// it against the network that they are for: tensors that fit are no sign of the same network.
#pragma once

#include <string>
#include <vector>

#include "checkpoint/reader.h"
#include "config/allowed_differences.h"
#include "config/network_settings.h"
#include "trainer/checkpointing.h"
#include "weights/safetensors.h"

namespace trellis {

// What is not there is unknown.
struct KnownNetwork {
  std::string source;     // path of file or checkpoint, for messages
  SettingTexts settings;  // config/network_settings.h
  SettingTexts data;      // see data_texts()
};

// Dataset::identity() as single values: corpus.kind; vocabulary.words and vocabulary.hash of a text; corpus.steps and so on of
// sequences; corpus.splits.train and others, where the content of splits is known.
SettingTexts data_texts(const nlohmann::json& identity);

// What an export carries in its metadata besides the names of tensors.
SafetensorsMetadata network_metadata(const CheckpointState& state);

// Of a file without such metadata nothing. Throws DataError where they are of an unknown version, or hold no value of a setting.
KnownNetwork known_network(const SafetensorsFile& file);
KnownNetwork known_network(const CheckpointReader& reader, const CheckpointState& state);

// The network that is to take the weights.
struct TakingNetwork {
  Settings settings;
  nlohmann::json data;      // Dataset::identity(); of a text with the vocabulary in the order of the weights' rows
  bool rows_known = false;  // the user has named the words of the rows
};

// Throws ConfigError where settings differ that are not allowed to, else DataError where the data do; either tells everything that
// does, with both values. Gives back what is to be told to the user as a warning: what was allowed and differs, what the weights do
// not say, and that they were trained on another text of the same vocabulary.
std::vector<std::string> expect_same_network(const KnownNetwork& weights, const TakingNetwork& taking, const AllowedDifferences& allowed);

}  // namespace trellis
