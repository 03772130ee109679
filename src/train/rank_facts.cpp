#include "train/rank_facts.h"

#include <fmt/format.h>

#include "checkpoint/writer.h"
#include "corpus/split_hash.h"
#include "storage/content_hash.h"

namespace trellis {
namespace {

template <class Split>
std::string in_words(const Split& split, std::int64_t count, std::string_view of_what) {
  return fmt::format("{} {} in {} shard(s), hash {}", count, of_what, split.shards.size(), split_hash(split));
}

}  // namespace

Facts corpus_facts(const Dataset& data) {
  Facts facts;
  const auto add = [&](std::string name, std::string value) { facts.push_back({FactKind::corpus, std::move(name), std::move(value)}); };
  const auto add_splits = [&](const auto& splits, const auto& describe) {
    for (const std::string_view name : kSplitNames) {
      const auto split = splits.find(std::string(name));
      add(fmt::format("the corpus's split '{}'", name), split == splits.end() ? "not there" : describe(split->second));
    }
  };
  if (!data.is_text()) {
    const SequenceDescription& each = data.sequences().description();
    add("the corpus's kind", "labelled sequences");
    add("the corpus's sequences", fmt::format("{} steps, {} channel(s), {} classes, mean {}, deviation {}", each.steps, each.channels, each.classes,
                                              fmt::join(each.normalisation.mean, ","), fmt::join(each.normalisation.deviation, ",")));
    add_splits(data.sequences().manifest().splits, [](const SequenceSplitEntry& split) { return in_words(split, split.sequences, "sequences"); });
    return facts;
  }
  const Manifest& manifest = data.text().manifest();
  add("the corpus's kind", "text");
  add("the corpus's unit", fmt::format("{}{}", unit_name(manifest.unit), manifest.end_of_line ? ", lines end with <eos>" : ""));
  add("the corpus's vocabulary", fmt::format("{} words, hash {}, file {}", manifest.vocabulary.words, manifest.vocabulary.hash, manifest.vocabulary.xxh3_128));
  add_splits(manifest.splits, [](const SplitEntry& split) { return in_words(split, split.tokens, "tokens"); });
  return facts;
}

Fact checkpoint_fact(const CheckpointReader& checkpoint) {
  const std::string hash = hash_of(File::open_to_read(checkpoint.path() / checkpoint::kManifestFile));
  return {FactKind::checkpoint, "the checkpoint", fmt::format("step {}, manifest {}", checkpoint.step(), hash)};
}

Fact file_fact(const std::string& name, const std::filesystem::path& path) {
  const File file = File::open_to_read(path);
  return {FactKind::input, name, fmt::format("{}, {} bytes, hash {}", path.filename().string(), file.size(), hash_of(file))};
}

Fact weights_fact(const Parameters& weights) {
  const at::Tensor host = weights.flat().cpu().contiguous();
  ContentHash hash;
  hash.add(std::as_bytes(std::span(static_cast<const char*>(host.const_data_ptr()), host.nbytes())));
  return {FactKind::input, "the weights that were read", "hash " + hash.hex()};
}

}  // namespace trellis
