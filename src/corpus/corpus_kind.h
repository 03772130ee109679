// Which kind of corpus a directory holds: said by "format" in its manifest, and asked before anything else in it is
// read.
#pragma once

#include <filesystem>
#include <string_view>

namespace trellis {

class ManifestObject;

enum class CorpusKind {
  text,       // a vocabulary and token ids (corpus/corpus.h)
  sequences,  // pixels and labels (corpus/sequence_corpus.h)
};

std::string_view kind_name(CorpusKind kind);  // "text", "labelled sequences": for messages

// Reads the manifest's format and version only. Throws MissingInputError when there is no corpus, DataError when its
// format or version is not one that this program reads.
CorpusKind corpus_kind(const std::filesystem::path& directory);

// Throws DataError unless the manifest is of this kind, in the version that this program reads. A corpus of another
// kind is named as what it is.
void expect_kind(const ManifestObject& manifest, CorpusKind kind);

}  // namespace trellis
