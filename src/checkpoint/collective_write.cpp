#include "checkpoint/collective_write.h"

#include <algorithm>
#include <cstring>
#include <fmt/core.h>
#include <optional>
#include <set>
#include <utility>

#include "base/errors.h"
#include "checkpoint/block_hash.h"
#include "checkpoint/stored_type.h"
#include "hdf5/handle.h"
#include "mpi/agreement.h"
#include "mpi/file_errors.h"
#include "mpi/wait_monitor.h"
#include "storage/file.h"

namespace trellis::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kCallBytes =
    256 << 20;  // one MPI-IO call's data stays far below the 2 GiB that an int can count

void check_own_slices(std::span<const TensorSlice> slices) {
  std::set<std::string> names;
  for (const TensorSlice& slice : slices) {
    if (const auto fault = fault_of(slice.info())) throw InternalError(*fault, "checkpoint", "");
    if (!names.insert(slice.name).second)
      throw InternalError("tensor " + slice.name + " is given twice", "checkpoint", "");
    for (const auto& [rows, data] : slice.pieces) {
      if (rows.empty()) continue;
      if (rows.begin < 0 || rows.end > slice.info().rows())
        throw InternalError(fmt::format("tensor {}: rows [{}, {}) given, but it has {} rows", slice.name, rows.begin,
                                        rows.end, slice.info().rows()),
                            "checkpoint", "");
      if (data == nullptr) throw InternalError("tensor " + slice.name + ": rows without data", "checkpoint", "");
    }
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

// All ranks' pieces of all tensors: for tensor t, begin and end of every rank's first piece, of every rank's second one,
// and so on; [0, 0) where a rank has fewer.
std::vector<std::vector<Range>> gather_pieces(const Communicator& communicator, std::span<const TensorSlice> slices) {
  std::vector<std::int64_t> most;
  for (const TensorSlice& slice : slices) most.push_back(static_cast<std::int64_t>(slice.pieces.size()));
  communicator.all_reduce(most, Reduction::max);
  std::vector<std::int64_t> mine;
  for (std::size_t t = 0; t < slices.size(); ++t) {
    for (std::size_t p = 0; p < static_cast<std::size_t>(most[t]); ++p) {
      const bool given = p < slices[t].pieces.size() && !slices[t].pieces[p].rows.empty();
      mine.push_back(given ? slices[t].pieces[p].rows.begin : 0);
      mine.push_back(given ? slices[t].pieces[p].rows.end : 0);
    }
  }
  const std::vector<std::int64_t> all = communicator.all_gather(mine);
  std::vector<std::vector<Range>> pieces(slices.size());
  std::size_t at = 0;
  for (std::size_t t = 0; t < slices.size(); ++t) {
    for (std::int64_t p = 0; p < most[t]; ++p, at += 2) {
      for (std::size_t r = 0; r < static_cast<std::size_t>(communicator.size()); ++r)
        pieces[t].push_back({all[r * mine.size() + at], all[r * mine.size() + at + 1]});
    }
  }
  return pieces;
}

void check_tiling(const Communicator& communicator, std::span<const TensorSlice> slices) {
  std::vector<std::vector<Range>> all = gather_pieces(communicator, slices);
  for (std::size_t t = 0; t < slices.size(); ++t) {
    std::vector<Range>& pieces = all[t];
    std::erase_if(pieces, [](const Range& piece) { return piece.empty(); });
    std::ranges::sort(pieces, {}, [](const Range& piece) { return std::pair(piece.begin, piece.end); });
    std::int64_t next = 0;
    for (const auto& [begin, end] : pieces) {
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

// A slice's rows, cut to what one call may write.
std::vector<TensorRows> calls_of(const TensorSlice& slice) {
  const std::int64_t row_bytes = slice.info().row_bytes(), most = std::max<std::int64_t>(1, kCallBytes / row_bytes);
  std::vector<TensorRows> calls;
  for (const auto& [rows, data] : slice.pieces) {
    for (std::int64_t begin = rows.begin; begin < rows.end; begin += most)
      calls.push_back({{begin, std::min(begin + most, rows.end)},
                       static_cast<const std::byte*>(data) + (begin - rows.begin) * row_bytes});
  }
  return calls;
}

// One H5Dwrite of rows (possibly none) of the slice. Gives what went wrong, if anything; throws nothing, since the
// other ranks are in the same call.
std::optional<std::string> write_rows(hid_t dataset, hid_t transfer, const TensorSlice& slice, const TensorRows& call) {
  const Range rows = call.rows;
  std::vector<hsize_t> start(slice.shape.size(), 0), count(slice.shape.begin(), slice.shape.end());
  start[0] = static_cast<hsize_t>(rows.begin);
  count[0] = static_cast<hsize_t>(std::max<std::int64_t>(rows.size(), 1));
  const Hdf5SpaceId memory(H5Screate_simple(static_cast<int>(count.size()), count.data(), nullptr));
  const Hdf5SpaceId file(H5Dget_space(dataset));
  bool selected = memory.valid() && file.valid();
  if (rows.empty())
    selected = selected && H5Sselect_none(memory) >= 0 && H5Sselect_none(file) >= 0;
  else
    selected = selected && H5Sselect_hyperslab(file, H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr) >= 0;
  const std::byte nothing[8] = {};  // an address is wanted even for no rows
  const void* data = rows.empty() ? nothing : call.data;
  const MonitoredWait monitored("a collective write to a checkpoint");
  const bool written = H5Dwrite(dataset, stored_type(slice.type), memory, file, transfer, data) >= 0;
  if (written && selected) return std::nullopt;
  return hdf5_reason();
}

WriteError failure(const std::string& action, const std::string& reason, const fs::path& path) {
  return WriteError("cannot " + action + ": " + reason, path.string(),
                    "see whether the disk or your quota is full and the disk is healthy; checkpoint.keep says how many checkpoints stay");
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
  std::vector<std::vector<TensorRows>> calls;
  std::vector<std::int64_t> most_calls;  // of any rank: what all take part in
  for (const TensorSlice& slice : slices) {
    calls.push_back(calls_of(slice));
    most_calls.push_back(static_cast<std::int64_t>(calls.back().size()));
  }
  communicator.all_reduce(most_calls, Reduction::max);

  const auto together = [](auto&& call) {
    const MonitoredWait monitored("the opening or closing of a checkpoint by all ranks");
    return call();
  };
  const Hdf5PropertiesId access(H5Pcreate(H5P_FILE_ACCESS));
  H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18);
  lock_no_files(access);
  // which duplicates the communicator, so it waits for all
  const bool parallel = together([&] { return H5Pset_fapl_mpio(access, communicator.get(), MPI_INFO_NULL) >= 0; });
  agree(communicator, [&] {
    if (!parallel) throw failure("open the checkpoint file on all ranks", hdf5_reason(), path);
  });
  H5Pset_all_coll_metadata_ops(access, true);
  H5Pset_coll_metadata_write(access, true);
  const Hdf5PropertiesId transfer(H5Pcreate(H5P_DATASET_XFER));
  H5Pset_dxpl_mpio(transfer, H5FD_MPIO_COLLECTIVE);

  agree(communicator, [&] { File::open_to_write(path); });  // what a rank cannot open is told by the system's reason
  KeptFileErrors errors(path.parent_path());
  Hdf5FileId file(together([&] { return H5Fopen(path.c_str(), H5F_ACC_RDWR, access); }));
  agree(communicator, [&] {
    if (!file.valid()) throw failure("open the checkpoint file on all ranks", file.reason(), path);
  });
  std::int64_t bytes = 0;
  for (std::size_t t = 0; t < slices.size(); ++t) {
    const TensorSlice& slice = slices[t];
    Hdf5DatasetId dataset(together([&] { return H5Dopen2(file, slice.name.c_str(), H5P_DEFAULT); }));
    agree(communicator, [&] {
      if (!dataset.valid()) throw failure("open dataset " + slice.name, dataset.reason(), path);
    });
    std::optional<std::string> fault;
    for (std::size_t c = 0; c < static_cast<std::size_t>(most_calls[t]); ++c) {
      const TensorRows call = c < calls[t].size() ? calls[t][c] : TensorRows{};
      if (const auto reason = write_rows(dataset, transfer, slice, call); !fault) fault = reason;
      bytes += call.rows.size() * slice.info().row_bytes();
    }
    if (!together([&] { return dataset.close(); }) && !fault) fault = dataset.reason();
    if (const auto reason = errors.take(); reason && !fault) fault = reason;
    agree(communicator, [&] {
      if (fault) throw failure("write dataset " + slice.name, *fault, path);
    });
  }
  agree(communicator, [&] {
    if (!together([&] { return file.close(); })) throw failure("close the checkpoint file", file.reason(), path);
    if (const auto reason = errors.take()) throw failure("close the checkpoint file", *reason, path);
  });
  return bytes;
}

void compare_slices(const fs::path& path, const StateLayout& layout, std::span<const TensorSlice> slices) {
  const File file = File::open_to_read(path, Links::refuse);
  std::vector<std::byte> block(kHashBlockBytes);
  for (std::size_t t = 0; t < slices.size(); ++t) {
    const std::int64_t row_bytes = slices[t].info().row_bytes();
    for (const auto& [rows, data] : slices[t].pieces) {
      const std::int64_t begin = layout.offsets[t] + rows.begin * row_bytes, size = rows.size() * row_bytes;
      for (std::int64_t done = 0; done < size; done += kHashBlockBytes) {
        const std::span<std::byte> part(block.data(), static_cast<std::size_t>(std::min(kHashBlockBytes, size - done)));
        file.read_at(begin + done, part);
        if (std::memcmp(part.data(), static_cast<const std::byte*>(data) + done, part.size()) != 0)
          // also how a full disk looks: Open MPI's collective writes tell nobody of a failed write
          throw WriteError(fmt::format("dataset {} reads back differently from what was written, after byte {}",
                                       slices[t].name, begin + done),
                           path.string(),
                           "see whether the disk or your quota is full and the disk is healthy, or try another disk");
      }
    }
  }
}

}  // namespace trellis::checkpoint
