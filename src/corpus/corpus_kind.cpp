#include "corpus/corpus_kind.h"

#include <array>
#include <fmt/core.h>

#include "base/errors.h"
#include "corpus/corpus_format.h"
#include "corpus/manifest_json.h"
#include "corpus/sequence_format.h"

namespace trellis {
namespace {

struct Kind {
  CorpusKind kind;
  std::string_view format;
  int version;  // the newest; all before it are read, too
  std::string_view name, command;
};
constexpr std::array<Kind, 2> kKinds{
    Kind{CorpusKind::text, kCorpusFormat, kCorpusManifestVersion, "text", "text"},
    Kind{CorpusKind::sequences, kSequencesFormat, kSequencesFormatVersion, "labelled sequences", "images"}};

const Kind& entry_of(CorpusKind kind) { return kind == CorpusKind::text ? kKinds[0] : kKinds[1]; }

// Empty when "format" is none that we know.
const Kind* find_kind(const ManifestObject& manifest) {
  for (const Kind& kind : kKinds)
    if (manifest.has("format") && manifest["format"] == kind.format) return &kind;
  return nullptr;
}

void expect_version(const ManifestObject& manifest, const Kind& kind) {
  for (int version = 1; version <= kind.version; ++version)
    if (manifest.has("format_version") && manifest["format_version"].is_number_integer() && manifest["format_version"] == version) return;
  manifest.refuse("format_version", kind.version == 1 ? "is not 1, the version that this program reads"
                                                      : fmt::format("is not 1 to {}, the versions that this program reads", kind.version));
}

}  // namespace

std::string_view kind_name(CorpusKind kind) { return entry_of(kind).name; }

CorpusKind corpus_kind(const std::filesystem::path& directory) {
  const std::string text = read_manifest_text(directory), where = manifest_path(directory).string();
  const nlohmann::json parsed = parse_manifest_json(text, where);
  const ManifestObject manifest(parsed, "", where);
  const Kind* const found = find_kind(manifest);
  if (found == nullptr)
    manifest.refuse("format", fmt::format("is neither '{}' nor '{}': this is no corpus of trellis-preprocess",
                                          kKinds[0].format, kKinds[1].format));
  expect_version(manifest, *found);
  return found->kind;
}

void expect_kind(const ManifestObject& manifest, CorpusKind kind) {
  const Kind &expected = entry_of(kind), *const found = find_kind(manifest);
  if (found == nullptr)
    manifest.refuse("format", fmt::format("is not '{}': this is no corpus of trellis-preprocess", expected.format));
  if (found->kind != kind)
    throw DataError(fmt::format("the corpus holds {}, expected {}", found->name, expected.name), manifest.where(),
                    fmt::format("name a directory that trellis-preprocess {} wrote", expected.command));
  expect_version(manifest, expected);
}

}  // namespace trellis
