#include "ranks/program_facts.h"

#include <elf.h>
#include <fmt/format.h>
#include <link.h>
#include <torch/headeronly/version.h>

#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "base/version.h"
#include "hdf5/handle.h"
#include "mpi/session.h"

namespace trellis {
namespace {

// The build id among the notes of one segment; empty if there is none.
std::string build_id_in(std::span<const std::byte> notes) {
  const auto padded = [](std::size_t size) { return (size + 3) / 4 * 4; };
  ElfW(Nhdr) note;
  while (notes.size() >= sizeof note) {
    std::memcpy(&note, notes.data(), sizeof note);
    notes = notes.subspan(sizeof note);
    const std::size_t name = padded(note.n_namesz), content = padded(note.n_descsz);
    if (name + content > notes.size()) break;
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && std::memcmp(notes.data(), "GNU", 4) == 0) {
      std::string id;
      for (const std::byte byte : notes.subspan(name, note.n_descsz)) id += fmt::format("{:02x}", static_cast<unsigned>(byte));
      return id;
    }
    notes = notes.subspan(name + content);
  }
  return {};
}

struct Search {
  std::string_view file;  // of a library; empty: the program itself
  std::string found;
};

// Of the program, or of a library that it has loaded.
std::string build_id(std::string_view file) {
  Search search{file, {}};
  dl_iterate_phdr(
      [](dl_phdr_info* object, std::size_t, void* given) {
        auto& wanted = *static_cast<Search*>(given);
        const std::string_view path = object->dlpi_name;
        if (path.substr(path.rfind('/') + 1) != wanted.file) return 0;
        for (int n = 0; n < object->dlpi_phnum; ++n) {
          const ElfW(Phdr)& segment = object->dlpi_phdr[n];
          if (segment.p_type != PT_NOTE) continue;
          wanted.found = build_id_in({reinterpret_cast<const std::byte*>(object->dlpi_addr + segment.p_vaddr), segment.p_memsz});
          if (!wanted.found.empty()) break;
        }
        return 1;
      },
      &search);
  return search.found.empty() ? "unknown" : search.found;
}

}  // namespace

Facts program_facts() {
  const auto fact = [](const char* name, std::string value) { return Fact{FactKind::program, name, std::move(value)}; };
  return {fact("the program's version", kVersion),
          fact("the program's build", build_id("")),
          fact("LibTorch", fmt::format("{}, build {}", TORCH_VERSION, build_id("libtorch_cpu.so"))),
          fact("the MPI library", MpiSession::library()),
          fact("HDF5", hdf5_version())};
}

}  // namespace trellis
