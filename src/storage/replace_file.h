// A small text file in another's place, or in none's: whoever reads sees the old text or the new one, whole, and after a crash of
// the machine, too.
#pragma once

#include <filesystem>
#include <string>

namespace trellis {

// By storage/atomic_file.h. Throws WriteError; then the former file is as it was, and nothing is left behind.
void replace_file(const std::filesystem::path& path, const std::string& text);

}  // namespace trellis
