#include "corpus/corpus.h"

#include <fmt/format.h>
#include <utility>

#include "base/errors.h"
#include "corpus/content_hash.h"

namespace trellis {

Corpus Corpus::open(const std::filesystem::path& directory) {
  Corpus corpus(directory, read_manifest(directory));
  const VocabularyEntry& entry = corpus.manifest_.vocabulary;
  const File file = File::open_to_read(directory / entry.file, Links::refuse);
  const auto refuse = [&](std::string what) {
    throw DataError(std::move(what), file.path().string(),
                    "copy the corpus again, or make it again with trellis-preprocess");
  };
  if (file.size() != entry.bytes) refuse(fmt::format("has {} bytes, the manifest says {}", file.size(), entry.bytes));
  if (const std::string found = hash_of(file); found != entry.xxh3_128)
    refuse(fmt::format("is damaged: its hash is {}, the manifest says {}", found, entry.xxh3_128));
  return corpus;
}

bool Corpus::has_split(std::string_view name) const { return manifest_.splits.contains(std::string(name)); }

const SplitEntry& Corpus::split(std::string_view name) const {
  const auto found = manifest_.splits.find(std::string(name));
  if (found != manifest_.splits.end()) return found->second;
  std::string names;
  for (const auto& [other, _] : manifest_.splits) names += (names.empty() ? "" : ", ") + other;
  throw MissingInputError(fmt::format("the corpus has no split '{}', only: {}", name, names), directory_.string(),
                          fmt::format("make it again with --{} FILE", name));
}

std::int64_t Corpus::tokens(std::string_view name) const { return split(name).tokens; }

std::shared_ptr<const TokenReader> Corpus::open_split(std::string_view name, Verify verify) const {
  std::vector<OpenShard> shards;
  for (const ShardEntry& entry : split(name).shards)
    shards.push_back(open_shard(directory_, entry, vocabulary_hash(), verify));
  return std::make_shared<const TokenReader>(std::string(name), std::move(shards), vocabulary_size());
}

Vocabulary Corpus::load_vocabulary() const {
  const std::filesystem::path path = directory_ / manifest_.vocabulary.file;
  Vocabulary vocabulary = read_vocabulary(path);
  const auto refuse = [&](std::string what) {
    throw DataError(std::move(what), path.string(), "copy the corpus again, or make it again with trellis-preprocess");
  };
  if (vocabulary.size() != vocabulary_size())
    refuse(fmt::format("has {} words, the manifest says {}", vocabulary.size(), vocabulary_size()));
  if (vocabulary.unit() != unit())
    refuse(fmt::format("has unit {}, the manifest says {}", unit_name(vocabulary.unit()), unit_name(unit())));
  if (const std::string found = vocabulary.hash(); found != vocabulary_hash())
    refuse(fmt::format("its words have the hash {}, the manifest says {}", found, vocabulary_hash()));
  return vocabulary;
}

}  // namespace trellis
