// What the check of HDF5 structures costs when a corpus of many shards is opened and read: our reader
// (hdf5/structure.h) against libhdf5 asked the same questions, in turns, on the same files.
//
//   corpus_opening [SHARDS] [TOKENS_PER_SHARD] [PAIRS]      default 2000 8192 9
//
// Makes the corpus in the system's temporary directory and removes it. Hashes are left out: they are the same for both.
// Prints the seconds of each, and the median ratio libhdf5 / ours: at least 1 means that ours is no slower.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fmt/core.h>
#include <hdf5.h>
#include <span>
#include <string>
#include <vector>

#include "base/errors.h"
#include "hdf5/flat_file.h"
#include "storage/file.h"

namespace {

using namespace trellis;
namespace fs = std::filesystem;

constexpr const char* kAttributes[] = {"format", "format_version", "vocabulary_hash"};

// The place of /tokens, as a reader that trusts libhdf5 finds it: links, types, layout, shape and attributes looked at.
std::int64_t offset_by_hdf5(const std::string& path, std::int64_t tokens) {
  const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  H5Pset_file_locking(access, false, true);
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDONLY, access), root = H5Gopen2(file, "/", H5P_DEFAULT);
  H5G_info_t group{};
  H5L_info_t link{};
  require(H5Gget_info(root, &group) >= 0 && group.nlinks == 1, "one link");
  require(H5Lget_info(root, "tokens", &link, H5P_DEFAULT) >= 0 && link.type == H5L_TYPE_HARD, "a hard link");
  const hid_t dataset = H5Oopen(root, "tokens", H5P_DEFAULT), type = H5Dget_type(dataset),
              space = H5Dget_space(dataset), creation = H5Dget_create_plist(dataset);
  hsize_t count = 0, most = 0;
  require(H5Tequal(type, H5T_STD_U32LE) > 0 && H5Pget_layout(creation) == H5D_CONTIGUOUS &&
              H5Pget_nfilters(creation) == 0 && H5Pget_external_count(creation) == 0 &&
              H5Sget_simple_extent_ndims(space) == 1 && H5Sget_simple_extent_dims(space, &count, &most) == 1 &&
              static_cast<std::int64_t>(count) == tokens && most == count,
          "a dataset of a shard");
  for (const char* name : kAttributes) {
    const hid_t attribute = H5Aopen(root, name, H5P_DEFAULT), text = H5Aget_type(attribute);
    std::string value(H5Tget_size(text), '\0');
    require(H5Aread(attribute, text, value.data()) >= 0, "an attribute of a shard");
    H5Tclose(text), H5Aclose(attribute);
  }
  const auto offset = static_cast<std::int64_t>(H5Dget_offset(dataset));
  H5Pclose(creation), H5Sclose(space), H5Tclose(type), H5Dclose(dataset), H5Gclose(root), H5Fclose(file),
      H5Pclose(access);
  return offset;
}

std::int64_t offset_by_us(const File& file, std::int64_t tokens) {
  FlatAttributes attributes;
  for (const char* name : kAttributes) attributes[name];
  const auto found = inspect_flat_file(file, {{"tokens", Element::u32}}, attributes);
  require(found[0].count == tokens, "a dataset of a shard");
  return found[0].offset;
}

enum class Reader { ours, hdf5 };

double seconds_of(Reader reader, const std::vector<std::string>& shards, std::int64_t tokens, std::uint64_t& sum) {
  std::vector<std::uint32_t> ids(static_cast<std::size_t>(tokens));
  const auto begin = std::chrono::steady_clock::now();
  for (const std::string& path : shards) {
    const File file = File::open_to_read(path, Links::refuse);
    const std::int64_t offset = reader == Reader::ours ? offset_by_us(file, tokens) : offset_by_hdf5(path, tokens);
    file.read_at(offset, std::as_writable_bytes(std::span(ids)));
    for (const std::uint32_t id : ids) sum += id;
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double median(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2));
  return values[values.size() / 2];
}

}  // namespace

int main(int count, char** arguments) {
  const auto argument = [&](int i, long fallback) { return count > i ? std::atol(arguments[i]) : fallback; };
  const long shard_count = argument(1, 2000), pairs = argument(3, 9);
  const std::int64_t tokens = argument(2, 8192);
  const fs::path directory =
      fs::temp_directory_path() /
      fmt::format("corpus_opening_{}", std::chrono::steady_clock::now().time_since_epoch().count());
  fs::create_directory(directory);
  std::vector<std::string> shards;
  for (long i = 0; i < shard_count; ++i) {
    shards.push_back((directory / fmt::format("train-{:05}.h5", i)).string());
    std::vector<FlatDataset> datasets{{"tokens", Element::u32, tokens}};
    create_flat_file(shards.back(), datasets,
                     {{"format", "trellis-shard"}, {"format_version", "1"}, {"vocabulary_hash", std::string(32, '0')}});
  }
  std::uint64_t sum = 0;
  for (const Reader warm : {Reader::ours, Reader::hdf5}) seconds_of(warm, shards, tokens, sum);
  std::vector<double> ours, hdf5, ratios;
  for (long pair = 0; pair < pairs; ++pair) {
    for (const Reader reader :
         pair % 2 == 0 ? std::array{Reader::ours, Reader::hdf5} : std::array{Reader::hdf5, Reader::ours})
      (reader == Reader::ours ? ours : hdf5).push_back(seconds_of(reader, shards, tokens, sum));
    ratios.push_back(hdf5.back() / ours.back());
  }
  fs::remove_all(directory);
  fmt::print(
      "{} shards of {} tokens, {} pairs: ours {:.4f} s, libhdf5 {:.4f} s, ratio {:.2f} ({:.2f} to {:.2f}), sum {}\n",
      shard_count, tokens, pairs, median(ours), median(hdf5), median(ratios), std::ranges::min(ratios),
      std::ranges::max(ratios), sum);
  return median(ratios) >= 1.0 ? 0 : 1;
}
