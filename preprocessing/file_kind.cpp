#include "preprocessing/file_kind.h"

#include <algorithm>
#include <array>
#include <fmt/core.h>
#include <string>
#include <string_view>

#include "base/errors.h"

namespace trellis {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t kLookedAt = 4096;

struct Kind {
  std::string_view magic;
  std::size_t offset;
  std::string_view name;  // behind "is"
  std::string_view undo;  // a command that takes the file's name
};

constexpr std::array kCompressed{
    Kind{"\x1F\x8B\x08"sv, 0, "compressed with gzip", "gzip -dk"},
    Kind{"\xFD\x37\x7A\x58\x5A\x00"sv, 0, "compressed with xz", "xz -dk"},
    Kind{"\x5D\x00\x00\x80\x00"sv, 0, "compressed with lzma", "xz -dk --format=lzma"},
    Kind{"1AY&SY"sv, 4, "compressed with bzip2", "bzip2 -dk"},
    Kind{"\x28\xB5\x2F\xFD"sv, 0, "compressed with zstd", "zstd -d"},
    Kind{"\x04\x22\x4D\x18"sv, 0, "compressed with lz4", "lz4 -dk"},
    Kind{"\x1F\x9D"sv, 0, "compressed with compress", "gzip -dk"},
    Kind{"LZIP\x01"sv, 0, "compressed with lzip", "lzip -dk"},
    Kind{"PK\x03\x04"sv, 0, "a zip archive", "unzip"},
    Kind{"7z\xBC\xAF\x27\x1C"sv, 0, "a 7z archive", "7z x"},
    Kind{"Rar!\x1A\x07"sv, 0, "a rar archive", "unrar x"},
    Kind{"\0ustar"sv, 256, "a tar archive", "tar -xf"},
};

struct Document {
  std::string_view magic, name, fix;
};
constexpr std::string_view kExportText = "export its text as a plain file";
constexpr std::array kDocuments{
    Document{"%PDF-"sv, "a PDF document", "extract its text first: pdftotext"},
    Document{"{\\rtf"sv, "an RTF document", "save it as plain text"},
    Document{"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"sv, "a document of an office program", "save it as plain text"},
    Document{"PAR1\x15"sv, "a Parquet table", kExportText},
    Document{"ARROW1\0\0"sv, "an Arrow table", kExportText},
    Document{"\xFF\xFF\xFF\xFF\x50\x00\x00\x00"sv, "an Arrow table", kExportText},
    Document{"\x89HDF\r\n\x1A\n"sv, "an HDF5 file", kExportText},
    Document{"SQLite format 3\0"sv, "an SQLite database", kExportText},
    Document{"\x93NUMPY"sv, "a NumPy array", kExportText},
    Document{"\x7F\x45LF"sv, "a program", "name a text file"},
};

std::string start_of(const File& file) {
  std::string start(kLookedAt, '\0');
  start.resize(file.read_some_at(0, std::as_writable_bytes(std::span(start))));
  return start;
}

void refuse_compressed(const File& file, std::string_view start) {
  for (const Kind& kind : kCompressed) {
    if (start.size() < kind.offset || !start.substr(kind.offset).starts_with(kind.magic)) continue;
    throw DataError(fmt::format("is {}, expected a plain file", kind.name), file.path().string(),
                    fmt::format("unpack it first: {} {}", kind.undo, file.path().string()));
  }
}

// Without a byte order mark: in Latin script every second byte is NUL, and all that is valid UTF-8; other scripts are not.
bool looks_like_utf16(std::string_view start) {
  if (start.starts_with("\xFF\xFE"sv) || start.starts_with("\xFE\xFF"sv)) return true;
  std::array<std::size_t, 2> zeros{};
  for (std::size_t at = 0; at < start.size(); ++at) zeros[at % 2] += start[at] == '\0' ? 1 : 0;
  const std::size_t pairs = start.size() / 2;
  return pairs >= 4 && std::max(zeros[0], zeros[1]) > pairs / 2 && std::min(zeros[0], zeros[1]) < pairs / 8;
}

}  // namespace

void refuse_compressed(const File& file) { refuse_compressed(file, start_of(file)); }

void refuse_foreign_text(const File& file, Unit unit) {
  const std::string start = start_of(file);
  refuse_compressed(file, start);
  if (unit == Unit::byte) return;
  for (const Document& document : kDocuments) {
    if (std::string_view(start).starts_with(document.magic))
      throw DataError(fmt::format("is {}, expected plain text", document.name), file.path().string(),
                      fmt::format("{}, or take --unit byte", document.fix));
  }
  if (looks_like_utf16(start))
    throw DataError("is UTF-16 text, expected UTF-8", fmt::format("{}: byte 0", file.path().string()),
                    fmt::format("convert it: iconv -f UTF-16 -t UTF-8 {} > FILE", file.path().string()));
}

}  // namespace trellis
