#include "corpus/vocabulary.h"

#include <algorithm>
#include <bit>
#include <fmt/core.h>
#include <span>

#include "base/errors.h"
#include "hdf5/flat_file.h"
#include "storage/content_hash.h"

namespace trellis {
namespace {

static_assert(std::endian::native == std::endian::little, "corpus files are read and written as they lie in memory");

using Counted = std::pair<std::string_view, std::uint64_t>;

bool before(const Counted& a, const Counted& b) {
  return a.second != b.second ? a.second > b.second : a.first < b.first;
}

// Bytes of the longest token.
std::uint64_t longest(Unit unit) {
  switch (unit) {
    case Unit::word:
      return kMaxWordBytes;
    case Unit::character:
      return 4;  // UTF-8
    case Unit::byte:
      return 1;
  }
  return 0;
}

template <class T>
std::vector<T> read_dataset(const File& file, const FlatDataset& dataset) {
  std::vector<T> values(static_cast<std::size_t>(dataset.count));
  file.read_at(dataset.offset, std::as_writable_bytes(std::span(values)));
  return values;
}

}  // namespace

Vocabulary::Vocabulary(Unit unit, std::vector<Counted> counted) : unit_(unit) {
  std::sort(counted.begin(), counted.end(), before);
  counts_.reserve(counted.size());
  for (const auto& [word, count] : counted) {
    require(words_.insert(word) == counts_.size(), "a token was counted twice");
    counts_.push_back(count);
  }
}

std::optional<std::int64_t> Vocabulary::find(std::string_view token) const {
  const std::uint32_t number = words_.find(token);
  return number == WordTable::kAbsent ? std::nullopt : std::optional<std::int64_t>(number);
}

std::string Vocabulary::hash() const {
  ContentHash hash;
  for (std::uint32_t id = 0; id < words_.size(); ++id) {
    const std::uint64_t length = words_[id].size();
    hash.add(std::as_bytes(std::span(&length, 1)));
    hash.add(words_[id]);
  }
  return hash.hex();
}

Vocabulary read_vocabulary(const std::filesystem::path& path) {
  return read_vocabulary(File::open_to_read(path, Links::refuse));
}

Vocabulary read_vocabulary(const File& file) {
  const auto refuse = [&](std::string what) -> void {
    throw DataError(std::move(what), file.path().string(), "make the vocabulary again with trellis-preprocess");
  };
  FlatAttributes attributes{{"format", ""}, {"format_version", ""}, {"unit", ""}};
  const std::vector<FlatDataset> datasets = inspect_flat_file(
      file, {{"word_bytes", Element::u8}, {"word_offsets", Element::u64}, {"counts", Element::u64}}, attributes);
  if (attributes["format"] != kVocabularyFormat)
    refuse(fmt::format("format is '{}', expected '{}'", attributes["format"], kVocabularyFormat));
  if (attributes["format_version"] != std::to_string(kCorpusFormatVersion))
    refuse(fmt::format("format version is '{}', this program reads {}", attributes["format_version"],
                       kCorpusFormatVersion));
  const std::optional<Unit> unit = unit_from_name(attributes["unit"]);
  if (!unit) refuse(fmt::format("unit is '{}', expected word, char or byte", attributes["unit"]));

  const std::int64_t words = datasets[2].count;
  if (words > kMaxWords) refuse(fmt::format("has {} words, at most {} are read", words, kMaxWords));
  if (datasets[1].count != words + 1)
    refuse(fmt::format("/word_offsets has {} elements, expected {}", datasets[1].count, words + 1));
  const auto bytes = read_dataset<char>(file, datasets[0]);
  const auto offsets = read_dataset<std::uint64_t>(file, datasets[1]);
  const auto counts = read_dataset<std::uint64_t>(file, datasets[2]);
  if (offsets.front() != 0 || offsets.back() != bytes.size())
    refuse(fmt::format("/word_offsets runs from {} to {}, expected 0 to {}", offsets.front(), offsets.back(),
                       bytes.size()));
  std::vector<Counted> counted;
  counted.reserve(counts.size());
  WordTable seen;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (offsets[i + 1] <= offsets[i] || offsets[i + 1] > bytes.size())
      refuse(fmt::format("/word_offsets[{}] is {}, expected more than {} and at most {}", i + 1, offsets[i + 1],
                         offsets[i], bytes.size()));
    counted.emplace_back(std::string_view(bytes.data() + offsets[i], offsets[i + 1] - offsets[i]), counts[i]);
    if (const std::string_view word = counted.back().first;
        word.size() > longest(*unit) && word != kEndOfLine && word != kUnknown)
      refuse(
          fmt::format("word {} has {} bytes, a {} has at most {}", i, word.size(), unit_name(*unit), longest(*unit)));
    if (i > 0 && !before(counted[i - 1], counted[i]))
      refuse(fmt::format("words {} and {} are not in falling order of count", i - 1, i));
    if (seen.insert(counted[i].first) != i) refuse(fmt::format("word {} occurs twice", i));
  }
  return Vocabulary(*unit, std::move(counted));
}

}  // namespace trellis
