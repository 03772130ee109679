#include "weights/word_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/errors.h"
#include "report/token_log.h"
#include "storage/file.h"
#include "weights/safetensors_header.h"

namespace trellis {
namespace {

constexpr std::int64_t kLargestFile = std::int64_t{1} << 30;
constexpr std::int64_t kNone = -1;

std::string read_all(const std::filesystem::path& path) {
  const File file = File::open_to_read(path);
  if (file.size() > kLargestFile) {
    throw DataError(fmt::format("the file has {} bytes, at most {} are expected", file.size(), kLargestFile), path.string(), "give one word a line");
  }
  std::string text(static_cast<std::size_t>(file.size()), '\0');
  file.read_at(0, std::as_writable_bytes(std::span(text)));
  return text;
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const bool carriage_return = end > 1 && text[end - 1] == '\r';  // of a file from Windows
    lines.push_back(text.substr(0, end - (carriage_return ? 1 : 0)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// Every spelling of the words, to their ids. What a word is as it stands wins over what another is when escaped.
std::unordered_map<std::string, std::int64_t> spellings(const Vocabulary& vocabulary) {
  std::unordered_map<std::string, std::int64_t> ids;
  for (std::int64_t id = 0; id < vocabulary.size(); ++id) ids.emplace(vocabulary[id], id);
  for (std::int64_t id = 0; id < vocabulary.size(); ++id) ids.emplace(escape_token(vocabulary[id]), id);
  return ids;
}

// rows: by word, its place in the order of which the hash is wanted.
std::string hash_in_order(const Vocabulary& vocabulary, const std::vector<std::int64_t>& rows) {
  std::vector<std::pair<std::string_view, std::uint64_t>> falling(rows.size());  // the count of which makes the order
  for (std::int64_t id = 0; id < vocabulary.size(); ++id) {
    const auto row = static_cast<std::size_t>(rows[static_cast<std::size_t>(id)]);
    falling[row] = {vocabulary[id], rows.size() - row};
  }
  return Vocabulary(vocabulary.unit(), std::move(falling)).hash();
}

std::int64_t cluster_of(std::int64_t row, const std::vector<std::int64_t>& cutoffs) {
  return std::upper_bound(cutoffs.begin(), cutoffs.end(), row) - cutoffs.begin();
}

}  // namespace

WordRows::WordRows(const std::filesystem::path& path, const Vocabulary& vocabulary, const std::vector<std::int64_t>& cutoffs) {
  const std::string text = read_all(path);
  const auto ids = spellings(vocabulary);
  const auto wrong_line = [&](std::int64_t line, const std::string& what) {
    throw DataError(what, fmt::format("{}:{}", path.string(), line + 1), "give every word of the corpus's vocabulary once, in the order of the file's rows");
  };
  rows_.assign(static_cast<std::size_t>(vocabulary.size()), kNone);
  std::int64_t row = 0;
  for (const std::string_view line : lines_of(text)) {
    const auto found = ids.find(std::string(line));
    if (found == ids.end()) wrong_line(row, checkpoint::shown(line) + " is not in the corpus's vocabulary");
    std::int64_t& place = rows_[static_cast<std::size_t>(found->second)];
    if (place != kNone) wrong_line(row, fmt::format("{} is in line {}, too", checkpoint::shown(line), place + 1));
    place = row++;
  }
  if (row < vocabulary.size()) {
    const auto absent = std::find(rows_.begin(), rows_.end(), kNone) - rows_.begin();
    throw DataError(fmt::format("{} words, but the corpus's vocabulary has {}: {} is not among them", row, vocabulary.size(),
                                checkpoint::shown(vocabulary[absent])),
                    path.string(), "give every word of the corpus's vocabulary once, in the order of the file's rows");
  }
  vocabulary_hash_ = hash_in_order(vocabulary, rows_);
  std::int64_t crossing = 0, example = kNone;
  for (std::int64_t id = 0; id < vocabulary.size(); ++id) {
    if (cluster_of(id, cutoffs) == cluster_of(rows_[static_cast<std::size_t>(id)], cutoffs)) continue;
    if (crossing++ == 0) example = id;
  }
  if (crossing == 0) return;
  const std::int64_t there = rows_[static_cast<std::size_t>(example)];
  throw DataError(fmt::format("{} words are in another cluster of the adaptive softmax there than in the corpus: {} is word {} there and {} here, on other "
                              "sides of one of the cutoffs {}",
                              crossing, checkpoint::shown(vocabulary[example]), there, example, fmt::join(cutoffs, ",")),
                  path.string(), "a corpus whose counts order the words as there would do; words of equal count are ordered by their bytes");
}

at::Tensor WordRows::in_corpus_order(const at::Tensor& theirs) const {
  if (rows_.empty()) return theirs;
  require(theirs.size(0) == static_cast<std::int64_t>(rows_.size()), "rows are as many as words");
  return theirs.index_select(0, at::tensor(rows_));
}

}  // namespace trellis
