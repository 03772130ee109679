// Names, versions and limits of the corpus directory. docs/formats.md describes them with a worked example.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace trellis {

inline constexpr std::string_view kCorpusFormat = "trellis-corpus", kShardFormat = "trellis-shard",
                                  kVocabularyFormat = "trellis-vocabulary";
inline constexpr int kCorpusFormatVersion = 1;    // of shards and vocabulary
inline constexpr int kCorpusManifestVersion = 2;  // of manifest.json; version 1, without the sizes of the text, is read, too
inline constexpr const char* kManifestFile = "manifest.json";
inline constexpr const char* kVocabularyFile = "vocabulary.h5";
inline constexpr std::array<std::string_view, 3> kSplitNames{"train", "valid", "test"};

// Tokens that no text file spells as such: the end of a line, and a word outside the vocabulary.
inline constexpr std::string_view kEndOfLine = "<eos>", kUnknown = "<unk>";

// What is refused before anything is allocated or parsed.
inline constexpr std::int64_t kMaxManifestBytes = 64 << 20;
inline constexpr int kMaxManifestDepth = 8;
inline constexpr std::int64_t kMaxManifestValues = 2'000'000;  // five a shard; what 64 MiB of shards have
inline constexpr std::int64_t kMaxWords = 1 << 28;       // ids fit in int32 with room to spare
inline constexpr std::int64_t kMaxWordBytes = 64 << 10;  // longer is not a word: the file is not text
inline constexpr std::int64_t kMaxShardTokens = std::int64_t{1} << 36;

// What one token is.
enum class Unit { word, character, byte };

// Whether newlines are the token <eos>, or whitespace (word) and tokens of their own (char, byte).
enum class Lines { end_with_eos, are_whitespace };

std::string_view unit_name(Unit unit);                           // "word", "char", "byte"
std::optional<Unit> unit_from_name(std::string_view name);       // empty for any other name
std::string shard_file_name(std::string_view split, int index);  // "train-00003.h5"

}  // namespace trellis
