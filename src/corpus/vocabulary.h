// The tokens of a corpus by id, with how often each occurs in the training split. Ids fall with the count (ties in
// order of the tokens' bytes), so a small id is a frequent token and the cutoffs of an adaptive softmax mean something.
// In a file: vocabulary.h5 (docs/formats.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "corpus/corpus_format.h"
#include "corpus/word_table.h"
#include "storage/file.h"

namespace trellis {

class Vocabulary {
 public:
  // Sorts `counted` (token, count) into ids. The tokens must differ.
  Vocabulary(Unit unit, std::vector<std::pair<std::string_view, std::uint64_t>> counted);

  Unit unit() const { return unit_; }
  std::int64_t size() const { return words_.size(); }
  std::string_view operator[](std::int64_t id) const { return words_[static_cast<std::uint32_t>(id)]; }
  std::uint64_t count(std::int64_t id) const { return counts_[static_cast<std::size_t>(id)]; }
  std::optional<std::int64_t> find(std::string_view token) const;
  const WordTable& words() const { return words_; }
  const std::vector<std::uint64_t>& counts() const { return counts_; }

  // XXH3-128 over the tokens in order of id, each as its length (8 bytes, little-endian) and its bytes: two corpora
  // have equal hashes exactly if their ids mean the same. Counts and unit are not part of it.
  std::string hash() const;

 private:
  Unit unit_;
  WordTable words_;
  std::vector<std::uint64_t> counts_;
};

// Writes vocabulary.h5 and brings it to the disk. Throws WriteError.
void write_vocabulary(const std::filesystem::path& path, const Vocabulary& vocabulary);

// Reads vocabulary.h5 under the opening policy of hdf5/flat_file.h, and checks lengths, order and uniqueness of its
// words. Memory is proportional to the file's size. Calls no HDF5. Throws DataError, MissingInputError.
Vocabulary read_vocabulary(const File& file);
Vocabulary read_vocabulary(const std::filesystem::path& path);  // symbolic links are refused

}  // namespace trellis
