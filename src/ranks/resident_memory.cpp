#include "ranks/resident_memory.h"

#include <malloc.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>

namespace trellis {

void return_freed_memory() {
  constexpr int threshold_bytes = 256 << 10;
  mallopt(M_MMAP_THRESHOLD, threshold_bytes);
  mallopt(M_TRIM_THRESHOLD, threshold_bytes);
}

void release_startup_pages() {
  malloc_trim(0);
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find(".so") == std::string::npos) continue;
    std::uintptr_t begin = 0, end = 0, offset = 0;
    char permissions[5] = {};
    if (std::sscanf(line.c_str(), "%lx-%lx %4s %lx", &begin, &end, permissions, &offset) != 4) continue;
    // Only what cannot have been written to, or the change would be lost: code, and the symbol tables that begin the file.
    // Other read-only parts were relocated before they became read-only.
    const std::string mode(permissions);
    if (mode == "r-xp" || (mode == "r--p" && offset == 0)) {
      madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
      madvise(reinterpret_cast<void*>(begin), end - begin, MADV_RANDOM);  // come back one by one, not with neighbours
    }
  }
}

}  // namespace trellis
