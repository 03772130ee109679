// HDF5 files with right hashes whose structure is not that of a checkpoint: each must be refused with a message that
// says what is wrong, never followed elsewhere, expanded or crashed upon.
#include <gmock/gmock.h>
#include <random>

#include "tests/checkpoint/hostile_checkpoint.h"

namespace trellis {
namespace {

using namespace testing_support;
using testing::StartsWith;

using ForgedStructure = HostileCheckpoint;

hid_t space_of(std::vector<hsize_t> sizes) {
  return H5Screate_simple(static_cast<int>(sizes.size()), sizes.data(), nullptr);
}

// A dataset "w" written whole, with the given type, shape and creation properties.
void put(hid_t file, const char* name, hid_t type, std::vector<hsize_t> sizes, hid_t creation = H5P_DEFAULT) {
  const hid_t space = space_of(sizes);
  const hid_t dataset = H5Dcreate2(file, name, type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
  ASSERT_GE(dataset, 0);
  const std::vector<double> zeros(1000);
  if (H5Tget_class(type) == H5T_FLOAT) {
    ASSERT_GE(H5Dwrite(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, zeros.data()), 0);
  }
  H5Dclose(dataset);
  H5Sclose(space);
}

TEST_F(ForgedStructure, ForgingWorksSoThatTheRefusalsBelowMeanSomething) {
  std::filesystem::create_directories(directory);
  const hid_t file = H5Fcreate(state_file.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  put(file, "w", H5T_IEEE_F32LE, {4, 3});
  H5Fclose(file);
  seal({{"w", ElementType::float32, {4, 3}}});
  EXPECT_EQ(CheckpointReader::open(world, directory, Verify::hash).tensors().size(), 1u);
}

TEST_F(ForgedStructure, RefusesWhatIsNoHdf5) {
  std::filesystem::create_directories(directory);
  overwrite(state_file, std::string(4096, 'x'));
  seal({{"w", ElementType::float32, {4, 3}}});
  EXPECT_THAT(refusal().fact(), StartsWith("is no HDF5 file"));
}

TEST_F(ForgedStructure, RefusesATensorThatTheManifestDoesNotName) {
  EXPECT_EQ(refusal_of_forged([](hid_t file) {
              put(file, "w", H5T_IEEE_F32LE, {4, 3});
              put(file, "extra", H5T_IEEE_F32LE, {1});
            }).fact(),
            "the file holds 2 objects, expected 1");
}

TEST_F(ForgedStructure, RefusesAMissingTensor) {
  EXPECT_EQ(refusal_of_forged([](hid_t file) {
              put(file, "v", H5T_IEEE_F32LE, {4, 3});
            }).fact(),
            "dataset \"w\" is missing");
}

TEST_F(ForgedStructure, RefusesAnotherShapeOrType) {
  EXPECT_EQ(refusal_of_forged([](hid_t file) {
              put(file, "w", H5T_IEEE_F32LE, {3, 4});
            }).fact(),
            "dataset \"w\" has the shape [3, 4], expected [4, 3]");
  EXPECT_EQ(refusal_of_forged([](hid_t file) { put(file, "w", H5T_IEEE_F32LE, {12}); }).fact(),
            "dataset \"w\" has the shape [12], expected [4, 3]");
  EXPECT_EQ(refusal_of_forged([&](hid_t file) {
              put(file, "w", H5T_IEEE_F64LE, {4, 3});
            }).fact(),
            "dataset \"w\" is little-endian float64, expected little-endian float32");
  for (const hid_t type : {H5T_IEEE_F32BE, H5T_STD_I32LE})
    EXPECT_THAT(refusal_of_forged([&](hid_t file) {
                  put(file, "w", type, {4, 3});
                }).fact(),
                StartsWith("/w: another element type"));
}

TEST_F(ForgedStructure, RefusesSoftAndExternalLinks) {
  EXPECT_THAT(refusal_of_forged([](hid_t file) { H5Lcreate_soft("/v", file, "w", H5P_DEFAULT, H5P_DEFAULT); }).fact(),
            StartsWith("/w is a soft link"));
  EXPECT_THAT(refusal_of_forged([](hid_t file) {
              H5Lcreate_external("/etc/passwd", "/v", file, "w", H5P_DEFAULT, H5P_DEFAULT);
            }).fact(),
            StartsWith("/w is an external link"));
}

TEST_F(ForgedStructure, RefusesBytesThatLieInAnotherFile) {
  const std::string secret = (root / "secret").string();
  overwrite(secret, std::string(48, 's'));
  EXPECT_THAT(refusal_of_forged([&](hid_t file) {
              const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
              H5Pset_external(creation, secret.c_str(), 0, 48);
              put(file, "w", H5T_IEEE_F32LE, {4, 3}, creation);
              H5Pclose(creation);
            }).fact(),
            StartsWith("/w keeps its data in another file"));
}

TEST_F(ForgedStructure, RefusesVirtualChunkedAndCompactStorage) {
  EXPECT_THAT(refusal_of_forged([&](hid_t file) {
              const hid_t creation = H5Pcreate(H5P_DATASET_CREATE), space = space_of({4, 3});
              H5Pset_virtual(creation, space, "/etc/passwd", "/v", space);
              H5Dclose(H5Dcreate2(file, "w", H5T_IEEE_F32LE, space, H5P_DEFAULT, creation, H5P_DEFAULT));
              H5Pclose(creation);
              H5Sclose(space);
            }).fact(),
            StartsWith("/w: is a virtual dataset"));
  EXPECT_THAT(refusal_of_forged([&](hid_t file) {
              const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
              const hsize_t chunk[] = {2, 3};
              H5Pset_chunk(creation, 2, chunk);
              H5Pset_deflate(creation, 9);
              put(file, "w", H5T_IEEE_F32LE, {4, 3}, creation);
              H5Pclose(creation);
            }).fact(),
            StartsWith("/w is filtered"));
  EXPECT_THAT(refusal_of_forged([&](hid_t file) {
              const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
              H5Pset_layout(creation, H5D_COMPACT);
              put(file, "w", H5T_IEEE_F32LE, {4, 3}, creation);
              H5Pclose(creation);
            }).fact(),
            StartsWith("/w: is compact"));
}

TEST_F(ForgedStructure, RefusesStorageThatWasNeverAllocated) {
  EXPECT_THAT(refusal_of_forged([](hid_t file) {
              const hid_t space = space_of({4, 3});
              H5Dclose(H5Dcreate2(file, "w", H5T_IEEE_F32LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
              H5Sclose(space);
            }).fact(),
            StartsWith("/w claims 4 x 3 elements at byte nowhere"));
}

TEST_F(ForgedStructure, RefusesGroupsCommittedTypesAndAttributes) {
  EXPECT_THAT(refusal_of_forged([](hid_t file) {
              H5Gclose(H5Gcreate2(file, "w", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
            }).fact(),
            StartsWith("/w is not a dataset"));
  EXPECT_THAT(refusal_of_forged([](hid_t file) {
              put(file, "w", H5T_IEEE_F32LE, {4, 3});
              const hid_t space = H5Screate(H5S_SCALAR), dataset = H5Dopen2(file, "w", H5P_DEFAULT);
              H5Aclose(H5Acreate2(dataset, "a", H5T_IEEE_F32LE, space, H5P_DEFAULT, H5P_DEFAULT));
              H5Dclose(dataset);
              H5Sclose(space);
            }).fact(),
            StartsWith("/w has attributes"));
}

TEST_F(ForgedStructure, RefusesTwoNamesForTheSameBytes) {
  std::filesystem::create_directories(directory);
  const hid_t file = H5Fcreate(state_file.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  put(file, "w", H5T_IEEE_F32LE, {40, 3});
  H5Lcreate_hard(file, "w", file, "v", H5P_DEFAULT, H5P_DEFAULT);
  H5Fclose(file);
  seal({{"w", ElementType::float32, {40, 3}}, {"v", ElementType::float32, {40, 3}}});
  EXPECT_THAT(refusal().fact(), StartsWith("the number of names that lead to an object is 2"));
}

TEST_F(ForgedStructure, SurvivesAnyDamageToTheStructureEvenWhenTheHashesFit) {
  write_sample(world, root, 1, nlohmann::json::object(), 1);
  const std::string good = bytes_of_file(state_file);
  std::mt19937 random(3);
  for (int trial = 0; trial < 300; ++trial) {
    std::string bad = good;
    for (int flips = 0; flips < 3; ++flips)
      bad[random() % std::min<std::size_t>(bad.size(), 6000)] ^= static_cast<char>(random());
    overwrite(state_file, bad);
    seal(sample_tensors(1));
    try {
      const auto reader = CheckpointReader::open(world, directory, Verify::hash);
      for (const TensorInfo& tensor : reader.tensors()) {
        std::vector<std::byte> bytes(static_cast<std::size_t>(tensor.bytes()));
        reader.read(tensor.name, {0, tensor.rows()}, bytes.data());
      }
    } catch (const DataError&) {
    }
  }
}

}  // namespace
}  // namespace trellis
