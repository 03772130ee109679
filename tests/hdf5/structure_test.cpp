// The HDF5 reader on files that are right: what libhdf5 says of them, it says, too. What is wrong:
// hostile_structure_test.
#include <array>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hdf5.h>
#include <random>
#include <string>
#include <vector>

#include "hdf5/checksum.h"
#include "hdf5/flat_file.h"
#include "tests/corpus/corpus_fixture.h"
#include "tests/hdf5/hdf5_calls.h"
#include "tests/hdf5/sealed_hdf5.h"
#include "tests/source_folder.h"

namespace trellis {
namespace {

using namespace testing_support;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

TEST(Hdf5Checksum, IsLookup3) {
  EXPECT_EQ(hdf5_checksum({}), 0xdeadbeefU);
  EXPECT_EQ(hdf5_checksum(bytes_of("Four score and seven years ago")), 0x17770551U);  // from lookup3.c's own driver
}

// Every dataset with its place, by libhdf5. Its calls and structures for visiting objects differ from release to release; these do not.
void list_by_hdf5(hid_t group, const std::string& prefix, std::vector<std::string>& found) {
  H5G_info_t info{};
  H5Gget_info(group, &info);
  for (hsize_t i = 0; i < info.nlinks; ++i) {
    std::array<char, 256> link{};
    H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, link.data(), link.size(), H5P_DEFAULT);
    const std::string name = prefix + link.data();
    const hid_t object = H5Oopen(group, link.data(), H5P_DEFAULT);
    if (H5Iget_type(object) == H5I_GROUP) list_by_hdf5(object, name + "/", found);
    if (H5Iget_type(object) == H5I_DATASET)
      found.push_back(fmt::format("{} at {}, {} bytes", name, H5Dget_offset(object), H5Dget_storage_size(object)));
    H5Oclose(object);
  }
}

std::vector<std::string> places_by_hdf5(const fs::path& path) {
  std::vector<std::string> found;
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  list_by_hdf5(file, "", found);
  H5Fclose(file);
  std::ranges::sort(found);
  return found;
}

std::vector<std::string> places(const fs::path& path) {
  std::vector<std::string> found;
  const File file = File::open_to_read(path);
  for (const Hdf5Dataset& dataset : read_hdf5_structure(file, Hdf5Groups::nested, "fix").datasets)
    found.push_back(fmt::format("{} at {}, {} bytes", dataset.name, dataset.offset, dataset.bytes));
  std::ranges::sort(found);
  return found;
}

TEST(Hdf5Structure, FindsWhatOurWritersMakeWithFewAndManyDatasets) {
  const TemporaryDirectory directory;
  // Links in the header; in a heap of one block; of several; under an index of one, two and three levels.
  for (const int count : {1, 2, 7, 8, 9, 45, 46, 300, 2000}) {
    std::vector<FlatDataset> datasets;
    for (int i = 0; i < count; ++i) {
      const Element element = i % 3 == 0 ? Element::u8 : i % 3 == 1 ? Element::u32 : Element::u64;
      datasets.push_back(
          {fmt::format("{}{}", std::string(static_cast<std::size_t>(i % 50), 'n'), i), element, 1 + i % 7});
    }
    const fs::path path = directory / fmt::format("{}.h5", count);
    create_flat_file(path, datasets, {{"format", "x"}});
    const std::vector<std::string> found = places(path);
    EXPECT_EQ(found.size(), datasets.size());
    EXPECT_EQ(found, places_by_hdf5(path));
  }
}

TEST(Hdf5Structure, FindsWhatH5pyMade) {
  int files = 0;
  for (const auto& entry : fs::directory_iterator(source_folder() / "tests" / "parity"))
    if (entry.path().extension() == ".h5") {
      ++files;
      EXPECT_EQ(places(entry.path()), places_by_hdf5(entry.path())) << entry.path();
    }
  EXPECT_GT(files, 10);
}

TEST(Hdf5Structure, GivesShapesAndStrings) {
  const File file = File::open_to_read(source_folder() / "tests" / "parity" / "plain.h5");
  const Hdf5Structure structure = read_hdf5_structure(file, Hdf5Groups::nested, "fix");
  ASSERT_EQ(structure.attributes.size(), 1U);
  EXPECT_EQ(structure.attributes[0].name, "config");
  EXPECT_THAT(structure.attributes[0].value, AllOf(StartsWith("{\"layers\": 6"), testing::EndsWith("\"seed\": 7}")));
  EXPECT_THAT(structure.groups, testing::IsSupersetOf({"params", "step0", "step0/grads"}));
  const auto tokens = std::ranges::find(structure.datasets, "step0/tokens", &Hdf5Dataset::name);
  ASSERT_NE(tokens, structure.datasets.end());
  EXPECT_EQ(tokens->element, Hdf5Element::i64);
  EXPECT_THAT(tokens->shape, testing::ElementsAre(3, 9));
  const auto loss = std::ranges::find(structure.datasets, "step0/loss", &Hdf5Dataset::name);
  ASSERT_NE(loss, structure.datasets.end());
  EXPECT_THAT(loss->shape, testing::IsEmpty());
  EXPECT_THAT(error_of([&] { read_hdf5_structure(file, Hdf5Groups::none, "do this"); }),
              AllOf(StartsWith("65: /params is not a dataset (at byte "), HasSubstr("do this"), HasSubstr("plain.h5")));
}

// A few seconds of what tests/fuzz/hdf5_structure does for as long as one likes: random changes under right checksums.
// Nothing may crash or hang, and what is accepted lies within the file.
TEST(Hdf5Structure, KeepsItsPromisesWhateverIsChanged) {
  const TemporaryDirectory directory;
  std::vector<FlatDataset> many;
  for (int i = 0; i < 60; ++i) many.push_back({fmt::format("d{}", i), Element::u8, 1});
  create_flat_file(directory / "many.h5", many, {});
  const std::vector<std::string> bases{file_text(directory / "many.h5"),
                                       file_text(source_folder() / "tests/corpus/golden/corpus/vocabulary.h5"),
                                       file_text(source_folder() / "tests/parity/published_softmax.h5")};
  const int before = files_given_to_hdf5();
  std::mt19937 random(1);
  ScratchFile scratch;
  int accepted = 0, refused = 0;
  for (int trial = 0; trial < 6000; ++trial) {
    std::string bytes = bases[random() % bases.size()];
    for (std::uint32_t changes = 1 + random() % 3; changes > 0; --changes) {
      const std::size_t at = random() % (bytes.size() - 8);
      const std::uint64_t values[] = {
          random(), 0, ~std::uint64_t{0}, at, bytes.size() - at, number_at(bytes, random() % (bytes.size() - 8), 8)};
      put_number(bytes, at, values[random() % std::size(values)], 1 << (random() % 4));
    }
    bytes = sealed(std::move(bytes), scratch);
    try {
      for (const Hdf5Dataset& dataset : read_hdf5_structure(scratch.holding(bytes), Hdf5Groups::nested, "").datasets) {
        ASSERT_GT(dataset.offset, 0);
        ASSERT_LE(dataset.offset + dataset.bytes, static_cast<std::int64_t>(bytes.size()));
      }
      ++accepted;
    } catch (const DataError&) {
      ++refused;
    }
  }
  EXPECT_GT(accepted, 100);  // numbers and free space may change
  EXPECT_GT(refused, 1000);
  EXPECT_EQ(files_given_to_hdf5(), before);
}

// Memory and time follow the file, not what it claims.
TEST(Hdf5Structure, AFileThatClaimsMuchCostsLittle) {
  const std::string golden = file_text(source_folder() / "tests/corpus/golden/corpus/vocabulary.h5");
  ScratchFile scratch;
  std::string bytes = golden;
  put_number(bytes, 28, std::uint64_t{1} << 40, 8);
  EXPECT_THAT(error_of([&] { read_hdf5_structure(scratch.holding(sealed(bytes, scratch)), Hdf5Groups::none, "fix"); }),
              StartsWith("65: says that it ends at byte 1099511627776, but the file has "));
}

}  // namespace
}  // namespace trellis
