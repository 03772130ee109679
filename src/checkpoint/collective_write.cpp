#include "checkpoint/collective_write.h"

#include <algorithm>
#include <cstring>
#include <fmt/core.h>
#include <optional>
#include <set>

#include "base/errors.h"
#include "checkpoint/block_hash.h"
#include "checkpoint/files.h"
#include "checkpoint/hdf5.h"
#include "mpi/agreement.h"
#include "mpi/file_errors.h"

namespace trellis::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kPieceBytes =
    256 << 20;  // one MPI-IO call's data stays far below the 2 GiB that an int can count

void check_own_slices(std::span<const TensorSlice> slices) {
  std::set<std::string> names;
  for (const TensorSlice& slice : slices) {
    if (const auto fault = fault_of(slice.info())) throw InternalError(*fault, "checkpoint", "");
    if (!names.insert(slice.name).second)
      throw InternalError("tensor " + slice.name + " is given twice", "checkpoint", "");
    if (slice.rows.empty()) continue;
    if (slice.rows.begin < 0 || slice.rows.end > slice.info().rows())
      throw InternalError(fmt::format("tensor {}: rows [{}, {}) given, but it has {} rows", slice.name,
                                      slice.rows.begin, slice.rows.end, slice.info().rows()),
                          "checkpoint", "");
    if (slice.data == nullptr) throw InternalError("tensor " + slice.name + ": rows without data", "checkpoint", "");
  }
}

std::string describe(std::span<const TensorSlice> slices) {
  std::string text;
  for (const TensorSlice& slice : slices) {
    text += slice.name + " " + std::string(element_name(slice.type));
    for (const std::int64_t size : slice.shape) text += " " + std::to_string(size);
    text += "\n";
  }
  return text;
}

void check_tiling(const Communicator& communicator, std::span<const TensorSlice> slices) {
  std::vector<std::int64_t> mine;
  for (const TensorSlice& slice : slices) {
    mine.push_back(slice.rows.empty() ? 0 : slice.rows.begin);
    mine.push_back(slice.rows.empty() ? 0 : slice.rows.end);
  }
  const std::vector<std::int64_t> all = communicator.all_gather(mine);
  for (std::size_t t = 0; t < slices.size(); ++t) {
    std::vector<std::pair<std::int64_t, std::int64_t>> parts;
    for (int r = 0; r < communicator.size(); ++r) {
      const std::size_t at = r * mine.size() + 2 * t;
      if (all[at] < all[at + 1]) parts.emplace_back(all[at], all[at + 1]);
    }
    std::ranges::sort(parts);
    std::int64_t next = 0;
    for (const auto& [begin, end] : parts) {
      if (begin != next)
        throw InternalError(fmt::format("tensor {}: the ranks' rows leave a gap or overlap: {} follows row {}",
                                        slices[t].name, begin, next),
                            "checkpoint", "");
      next = end;
    }
    if (next != slices[t].info().rows())
      throw InternalError(
          fmt::format("tensor {}: the ranks hold {} of its {} rows", slices[t].name, next, slices[t].info().rows()),
          "checkpoint", "");
  }
}

std::int64_t rows_per_piece(const TensorSlice& slice) {
  return std::max<std::int64_t>(1, kPieceBytes / slice.info().row_bytes());
}

// One H5Dwrite of `rows` (possibly none) of the slice. Gives what went wrong, if anything; throws nothing, since the
// other ranks are in the same call.
std::optional<std::string> write_rows(hid_t dataset, hid_t transfer, const TensorSlice& slice, Range rows) {
  std::vector<hsize_t> start(slice.shape.size(), 0), count(slice.shape.begin(), slice.shape.end());
  start[0] = static_cast<hsize_t>(rows.begin);
  count[0] = static_cast<hsize_t>(std::max<std::int64_t>(rows.size(), 1));
  const Hdf5Space memory(H5Screate_simple(static_cast<int>(count.size()), count.data(), nullptr));
  const Hdf5Space file(H5Dget_space(dataset));
  bool selected = memory.valid() && file.valid();
  if (rows.empty())
    selected = selected && H5Sselect_none(memory) >= 0 && H5Sselect_none(file) >= 0;
  else
    selected = selected && H5Sselect_hyperslab(file, H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr) >= 0;
  const std::int64_t offset = rows.empty() ? 0 : (rows.begin - slice.rows.begin) * slice.info().row_bytes();
  const std::byte nothing[8] = {};  // an address is wanted even for no rows
  const std::byte* data = rows.empty() ? nothing : static_cast<const std::byte*>(slice.data) + offset;
  const bool written = H5Dwrite(dataset, stored_type(slice.type), memory, file, transfer, data) >= 0;
  if (written && selected) return std::nullopt;
  return hdf5_reason();
}

WriteError failure(const std::string& action, const std::string& reason, const fs::path& path) {
  return WriteError("cannot " + action + ": " + reason, path.string(), "check the disk's space and health");
}

}  // namespace

void check_slices(const Communicator& communicator, std::span<const TensorSlice> slices) {
  agree(communicator, [&] { check_own_slices(slices); });
  const std::string expected = communicator.broadcast(describe(slices), 0);
  agree(communicator, [&] {
    if (describe(slices) != expected)
      throw InternalError("this rank's tensors differ from rank 0's in name, type, shape or order", "checkpoint", "");
  });
  agree(communicator, [&] { check_tiling(communicator, slices); });
}

std::int64_t write_slices(const Communicator& communicator, const fs::path& path, std::span<const TensorSlice> slices) {
  prepare_hdf5();
  std::vector<std::int64_t> pieces;
  for (const TensorSlice& slice : slices) {
    const std::int64_t rows = std::max<std::int64_t>(slice.rows.size(), 0);
    pieces.push_back((rows + rows_per_piece(slice) - 1) / rows_per_piece(slice));
  }
  communicator.all_reduce(pieces, Reduction::max);

  const Hdf5Properties access(H5Pcreate(H5P_FILE_ACCESS));
  H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18);
  H5Pset_fapl_mpio(access, communicator.get(), MPI_INFO_NULL);
  H5Pset_all_coll_metadata_ops(access, true);
  H5Pset_coll_metadata_write(access, true);
  const Hdf5Properties transfer(H5Pcreate(H5P_DATASET_XFER));
  H5Pset_dxpl_mpio(transfer, H5FD_MPIO_COLLECTIVE);

  const AbortOnFileError no_rank_waits_for_ever;
  Hdf5File file(H5Fopen(path.c_str(), H5F_ACC_RDWR, access));
  agree(communicator, [&] {
    if (!file.valid()) throw failure("open the checkpoint file on all ranks", file.reason(), path);
  });
  std::int64_t bytes = 0;
  for (std::size_t t = 0; t < slices.size(); ++t) {
    const TensorSlice& slice = slices[t];
    Hdf5Dataset dataset(H5Dopen2(file, slice.name.c_str(), H5P_DEFAULT));
    agree(communicator, [&] {
      if (!dataset.valid()) throw failure("open dataset " + slice.name, dataset.reason(), path);
    });
    std::optional<std::string> fault;
    for (std::int64_t p = 0; p < pieces[t]; ++p) {
      const std::int64_t begin = std::min(slice.rows.begin + p * rows_per_piece(slice), slice.rows.end);
      const Range rows{begin, std::min(begin + rows_per_piece(slice), slice.rows.end)};
      if (const auto reason = write_rows(dataset, transfer, slice, rows); !fault) fault = reason;
      if (!rows.empty()) bytes += rows.size() * slice.info().row_bytes();
    }
    agree(communicator, [&] {
      if (fault) throw failure("write dataset " + slice.name, *fault, path);
    });
  }
  agree(communicator, [&] {
    if (!file.close()) throw failure("close the checkpoint file", file.reason(), path);
  });
  return bytes;
}

void compare_slices(const fs::path& path, const StateLayout& layout, std::span<const TensorSlice> slices) {
  const File file = File::open_to_read(path);
  std::vector<std::byte> block(kHashBlockBytes);
  for (std::size_t t = 0; t < slices.size(); ++t) {
    const TensorSlice& slice = slices[t];
    if (slice.rows.empty()) continue;
    const std::int64_t row_bytes = slice.info().row_bytes(), size = slice.rows.size() * row_bytes;
    const std::int64_t begin = layout.offsets[t] + slice.rows.begin * row_bytes;
    for (std::int64_t done = 0; done < size; done += kHashBlockBytes) {
      const std::span<std::byte> part(block.data(), static_cast<std::size_t>(std::min(kHashBlockBytes, size - done)));
      file.read(begin + done, part);
      if (std::memcmp(part.data(), static_cast<const std::byte*>(slice.data) + done, part.size()) != 0)
        // also how a full disk looks: Open MPI's collective writes tell nobody of a failed write
        throw WriteError(fmt::format("dataset {} reads back differently from what was written, after byte {}",
                                     slice.name, begin + done),
                         path.string(), "check the disk's space and health, or try another disk");
    }
  }
}

}  // namespace trellis::checkpoint
