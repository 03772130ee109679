// Apart from reading, which must do without libhdf5.
#include <bit>
#include <span>
#include <string>
#include <vector>

#include "corpus/vocabulary.h"
#include "hdf5/flat_file.h"

namespace trellis {

static_assert(std::endian::native == std::endian::little, "corpus files are written as they lie in memory");

void write_vocabulary(const std::filesystem::path& path, const Vocabulary& vocabulary) {
  const WordTable& words = vocabulary.words();
  std::vector<FlatDataset> datasets{{"word_bytes", Element::u8, static_cast<std::int64_t>(words.bytes().size())},
                                    {"word_offsets", Element::u64, static_cast<std::int64_t>(words.offsets().size())},
                                    {"counts", Element::u64, vocabulary.size()}};
  create_flat_file(path, datasets,
                   {{"format", std::string(kVocabularyFormat)},
                    {"format_version", std::to_string(kCorpusFormatVersion)},
                    {"unit", std::string(unit_name(vocabulary.unit()))}});
  const File file = File::open_to_write(path);
  file.write_at(datasets[0].offset, std::as_bytes(std::span(words.bytes())));
  file.write_at(datasets[1].offset, std::as_bytes(std::span(words.offsets())));
  file.write_at(datasets[2].offset, std::as_bytes(std::span(vocabulary.counts())));
  file.sync();
}

}  // namespace trellis
