// What a file is by its first bytes, where that is no text and no images: compressed, an archive, a document of some program. Such
// a file may well pass for text (a tar of texts is UTF-8, a page of UTF-16 too), and would be learnt as it is.
#pragma once

#include "corpus/corpus_format.h"
#include "storage/file.h"

namespace trellis {

// Throws DataError when the file is compressed or an archive, saying how to undo it.
void refuse_compressed(const File& file);

// The same, and unless unit is byte, which takes any content, for documents and tables of other programs and for UTF-16.
void refuse_foreign_text(const File& file, Unit unit);

}  // namespace trellis
