#include "corpus/corpus.h"

#include <fmt/format.h>
#include <utility>

#include "base/errors.h"
#include "base/system_error.h"
#include "corpus/recorded_file.h"
#include "corpus/split_names.h"

namespace trellis {

Corpus Corpus::open(const std::filesystem::path& directory) {
  Corpus corpus(directory, read_manifest(directory));
  const VocabularyEntry& entry = corpus.manifest_.vocabulary;
  open_recorded(directory / entry.file, entry.bytes, entry.xxh3_128, Verify::hash);
  return corpus;
}

bool Corpus::has_split(std::string_view name) const { return manifest_.splits.contains(std::string(name)); }

const SplitEntry& Corpus::split(std::string_view name) const { return split_named(manifest_.splits, name, directory_); }

std::int64_t Corpus::tokens(std::string_view name) const { return split(name).tokens; }

std::shared_ptr<const TokenReader> Corpus::open_split(std::string_view name, Verify verify) const {
  const auto reader = std::make_shared<TokenReader>(std::string(name), vocabulary_size());
  for (const ShardEntry& entry : split(name).shards)
    reader->add(open_shard(directory_, entry, vocabulary_hash(), verify));
  return reader;
}

Vocabulary Corpus::load_vocabulary() const {
  const VocabularyEntry& entry = manifest_.vocabulary;
  const std::filesystem::path path = directory_ / entry.file;
  Vocabulary vocabulary = read_vocabulary(open_recorded(path, entry.bytes, entry.xxh3_128, Verify::hash));
  const auto refuse = [&](std::string what) { throw DataError(std::move(what), path.string(), kMakeCorpusAgain); };
  if (vocabulary.size() != vocabulary_size())
    refuse(fmt::format("has {} words, the manifest says {}", vocabulary.size(), vocabulary_size()));
  if (vocabulary.unit() != unit())
    refuse(fmt::format("has unit {}, the manifest says {}", unit_name(vocabulary.unit()), unit_name(unit())));
  if (const std::string found = vocabulary.hash(); found != vocabulary_hash())
    refuse(fmt::format("its words have the hash {}, the manifest says {}", found, vocabulary_hash()));
  return vocabulary;
}

Vocabulary vocabulary_at(const std::filesystem::path& path) {
  if (kind_of_path(path) == PathKind::directory) return Corpus::open(path).load_vocabulary();
  const std::filesystem::path directory = path.has_parent_path() ? path.parent_path() : ".";
  if (kind_of_path(directory / kManifestFile) != PathKind::absent)
    if (const Corpus corpus = Corpus::open(directory); corpus.manifest().vocabulary.file == path.filename())
      return corpus.load_vocabulary();
  return read_vocabulary(path);
}

}  // namespace trellis
