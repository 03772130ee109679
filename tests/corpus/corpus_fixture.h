// Temporary directories and small corpora for tests; what an expression throws, as text.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <sstream>
#include <stdlib.h>
#include <string>
#include <vector>

#include "base/errors.h"
#include "base/version.h"
#include "corpus/corpus.h"
#include "storage/content_hash.h"

namespace trellis::testing_support {

namespace fs = std::filesystem;

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (fs::temp_directory_path() / "trellis-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    path_ = name;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  fs::path operator/(const std::string& name) const { return path_ / name; }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

inline std::string file_text(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

inline fs::path put_file(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
  return path;
}

// Every file of a directory by name.
inline std::map<std::string, std::string> directory_content(const fs::path& path) {
  std::map<std::string, std::string> content;
  for (const auto& entry : fs::directory_iterator(path))
    content[entry.path().filename().string()] = file_text(entry.path());
  return content;
}

// "65: message" of the Error that `act` throws, "no error" if it throws none. Anything but an Error goes through.
template <class Act>
std::string error_of(Act&& act) {
  try {
    act();
  } catch (const Error& error) {
    return std::to_string(static_cast<int>(error.code())) + ": " + error.what();
  }
  return "no error";
}

// A corpus of the words "w0".."w<vocabulary-1>" with one split of the given ids.
inline Manifest put_corpus(const fs::path& directory, const std::vector<std::uint32_t>& ids,
                           std::int64_t vocabulary_size, std::int64_t shard_tokens,
                           const std::string& split = "train") {
  fs::create_directories(directory);
  std::vector<std::string> words;
  for (std::int64_t i = 0; i < vocabulary_size; ++i) words.push_back("w" + std::to_string(i));
  std::vector<std::pair<std::string_view, std::uint64_t>> counted;
  for (std::int64_t i = 0; i < vocabulary_size; ++i)
    counted.emplace_back(words[static_cast<std::size_t>(i)], static_cast<std::uint64_t>(1000 + vocabulary_size - i));
  const Vocabulary vocabulary(Unit::word, counted);
  write_vocabulary(directory / kVocabularyFile, vocabulary);
  const File file = File::open_to_read(directory / kVocabularyFile);
  Manifest manifest;
  manifest.written_by = "test";
  manifest.vocabulary = {kVocabularyFile, vocabulary.size(), file.size(), hash_of(file), vocabulary.hash()};
  SplitWriter writer(directory, split, static_cast<std::int64_t>(ids.size()), shard_tokens, manifest.vocabulary.hash);
  writer.append(ids);
  manifest.splits[split] = {static_cast<std::int64_t>(ids.size()), 0, writer.finish()};
  write_manifest(directory, manifest);
  return manifest;
}

// Ids that look random but are the same everywhere.
inline std::vector<std::uint32_t> some_ids(std::size_t count, std::uint32_t below) {
  std::vector<std::uint32_t> ids(count);
  std::uint64_t state = 88172645463325252ULL;
  for (std::uint32_t& id : ids) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    id = static_cast<std::uint32_t>(state % below);
  }
  return ids;
}

}  // namespace trellis::testing_support
