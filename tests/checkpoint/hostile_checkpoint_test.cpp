// Checkpoints that are damaged, or forged with right hashes by someone who knows the format: each must be refused with a
// message that says what is wrong, never followed, expanded or crashed upon.
#include <gmock/gmock.h>
#include <hdf5.h>

#include <functional>
#include <random>

#include "base/errors.h"
#include "checkpoint/block_hash.h"
#include "checkpoint/manifest.h"
#include "checkpoint/reader.h"
#include "tests/checkpoint/one_rank.h"

namespace trellis {
namespace {

using namespace testing_support;
using namespace checkpoint;
using testing::HasSubstr;

class HostileCheckpoint : public OneRank {
 protected:
  std::filesystem::path directory = root / "step-0000000001";
  std::filesystem::path state_file = directory / "state.h5";
  std::filesystem::path manifest_file = directory / "manifest.json";

  DataError refusal(Verify verify = Verify::hash) {
    return error_of<DataError>([&] { CheckpointReader::open(world, directory, verify); });
  }

  // A checkpoint with right hashes of one float32 tensor "w" of 4 x 3, whose file `make` fills.
  DataError refusal_of_forged(const std::function<void(hid_t file)>& make) {
    std::filesystem::create_directories(directory);
    const hid_t file = H5Fcreate(state_file.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    make(file);
    EXPECT_GE(H5Fclose(file), 0);
    seal({{"w", ElementType::float32, {4, 3}}});
    return refusal();
  }

  // Writes a manifest with right hashes for the state.h5 that is there.
  void seal(const std::vector<TensorInfo>& tensors) {
    Manifest manifest;
    manifest.step = 1;
    manifest.tensors = tensors;
    manifest.state_bytes = static_cast<std::int64_t>(std::filesystem::file_size(state_file));
    manifest.state_hash = hash_of_file(world, state_file, manifest.state_bytes);
    manifest.state = nlohmann::json::object();
    overwrite(manifest_file, manifest_text(manifest));
  }

  // Applies a change to the manifest's text and makes its own hash right again.
  DataError refusal_of_manifest(const std::string& from, const std::string& to) {
    write_sample(world, root, 1);
    std::string text = bytes_of_file(manifest_file);
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
    const std::string key = "\"manifest_xxh3_128\": \"";
    const std::size_t digits = text.find(key) + key.size();
    text.replace(digits, 32, std::string(32, '0'));
    text.replace(digits, 32, hash_of_text(text));
    overwrite(manifest_file, text);
    return refusal();
  }
};

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

TEST_F(HostileCheckpoint, ForgingWorksSoThatTheRefusalsBelowMeanSomething) {
  std::filesystem::create_directories(directory);
  const hid_t file = H5Fcreate(state_file.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  put(file, "w", H5T_IEEE_F32LE, {4, 3});
  H5Fclose(file);
  seal({{"w", ElementType::float32, {4, 3}}});
  EXPECT_EQ(CheckpointReader::open(world, directory, Verify::hash).tensors().size(), 1u);
}

TEST_F(HostileCheckpoint, RefusesAMissingFolder) {
  const auto error = error_of<MissingInputError>([&] { CheckpointReader::open(world, root / "none", Verify::hash); });
  EXPECT_EQ(error.fact(), "there is no such checkpoint folder");
}

TEST_F(HostileCheckpoint, RefusesAFolderWithoutManifest) {
  std::filesystem::create_directories(directory);
  const auto error = error_of<MissingInputError>([&] { CheckpointReader::open(world, directory, Verify::hash); });
  EXPECT_THAT(error.where(), HasSubstr("manifest.json"));
}

TEST_F(HostileCheckpoint, RefusesAMissingStateFile) {
  write_sample(world, root, 1);
  std::filesystem::remove(state_file);
  const auto error = error_of<MissingInputError>([&] { CheckpointReader::open(world, directory, Verify::hash); });
  EXPECT_THAT(error.where(), HasSubstr("state.h5"));
}

TEST_F(HostileCheckpoint, RefusesOneFlippedBitAnywhere) {
  write_sample(world, root, 1);
  for (const auto& file : {state_file, manifest_file}) {
    const std::string good = bytes_of_file(file);
    std::mt19937 random(7);
    for (int trial = 0; trial < 40; ++trial) {
      std::string bad = good;
      const std::size_t at = trial == 0 ? 0 : trial == 1 ? good.size() - 1 : random() % good.size();
      bad[at] = static_cast<char>(bad[at] ^ (1 << random() % 8));
      overwrite(file, bad);
      EXPECT_THROW(CheckpointReader::open(world, directory, Verify::hash), DataError) << file << " byte " << at;
    }
    overwrite(file, good);
  }
  EXPECT_TRUE(holds_sample(CheckpointReader::open(world, directory, Verify::hash)));
}

TEST_F(HostileCheckpoint, RefusesAFileCutShortEvenWithoutHashing) {
  write_sample(world, root, 1);
  const auto size = std::filesystem::file_size(state_file);
  std::filesystem::resize_file(state_file, size - 4096);
  EXPECT_EQ(refusal(Verify::structure).fact(),
            "the file has " + std::to_string(size - 4096) + " bytes, expected " + std::to_string(size));
}

TEST_F(HostileCheckpoint, RefusesAManifestCutShort) {
  write_sample(world, root, 1);
  const std::string text = bytes_of_file(manifest_file);
  for (std::size_t size = 0; size < text.size(); size += 101) {
    overwrite(manifest_file, text.substr(0, size));
    EXPECT_THROW(CheckpointReader::open(world, directory, Verify::hash), DataError) << size;
  }
}

TEST_F(HostileCheckpoint, RefusesTheStateOfAnotherStep) {
  write_sample(world, root, 1);
  write_sample(world, root, 2);
  std::filesystem::copy_file(root / "step-0000000002/state.h5", state_file,
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_THAT(refusal().fact(), HasSubstr("the file is damaged: its hash is"));
}

TEST_F(HostileCheckpoint, RefusesAFolderNamedForAnotherStep) {
  write_sample(world, root, 2);
  std::filesystem::rename(root / "step-0000000002", directory);
  EXPECT_EQ(refusal().fact(), "the folder is named for step 1, but its manifest is of step 2");
}

TEST_F(HostileCheckpoint, RefusesASymbolicLinkInPlaceOfTheFile) {
  write_sample(world, root, 1);
  std::filesystem::rename(state_file, root / "elsewhere.h5");
  std::filesystem::create_symlink(root / "elsewhere.h5", state_file);
  error_of<MissingInputError>([&] { CheckpointReader::open(world, directory, Verify::hash); });
}

TEST_F(HostileCheckpoint, RefusesAManifestThatIsNone) {
  std::filesystem::create_directories(directory);
  overwrite(manifest_file, "{}");
  EXPECT_EQ(refusal().fact(), "not the manifest of a trellis checkpoint");
}

TEST_F(HostileCheckpoint, RefusesAnotherFormatVersion) {
  EXPECT_EQ(refusal_of_manifest("\"format_version\": 1", "\"format_version\": 2").fact(),
            "the checkpoint has format version 2, this program reads version 1");
}

TEST_F(HostileCheckpoint, RefusesManifestsThatLie) {
  const std::vector<std::array<std::string, 3>> lies = {
      {"\"state.h5\"", "\"../state.h5\"", "lists the unknown file \"../state.h5\""},
      {"\"step\": 1", "\"step\": -1", "\"step\" is no integer from 0 to 2^63 - 1"},
      {"\"step\": 1", "\"step\": 1e3", "\"step\" is no integer"},
      {"\"step\"", "\"stop\"", "has the unknown member \"stop\""},
      {"\"float64\"", "\"float16\"", "gives tensor \"model.bias\" the unknown type \"float16\""},
      {"\"loss_scale\"", "\"model.bias\"", "lists tensor \"model.bias\" twice"},
      {"\"loss_scale\"", "\"../../etc\"", "a tensor's name must be"},
      {"301", "0", "has a dimension of 0"},
      {"301", "9223372036854775807", "claims more than 2^62 bytes"},
      {"301", "18446744073709551615", "has a dimension of -1"},
      {"301", "4000000000", "lists tensors of more bytes than state.h5 has"},
      {"\"windows\": 12", "\"windows\": 12,", "is no JSON"},
  };
  for (const auto& [from, to, message] : lies) EXPECT_THAT(refusal_of_manifest(from, to).fact(), HasSubstr(message));
}

TEST_F(HostileCheckpoint, RefusesWhatIsNoHdf5) {
  std::filesystem::create_directories(directory);
  overwrite(state_file, std::string(4096, 'x'));
  seal({{"w", ElementType::float32, {4, 3}}});
  EXPECT_EQ(refusal().fact(), "the file is no HDF5 file");
}

TEST_F(HostileCheckpoint, RefusesATensorThatTheManifestDoesNotName) {
  EXPECT_EQ(refusal_of_forged([](hid_t file) {
              put(file, "w", H5T_IEEE_F32LE, {4, 3});
              put(file, "extra", H5T_IEEE_F32LE, {1});
            }).fact(),
            "the file holds 2 objects, expected 1");
}

TEST_F(HostileCheckpoint, RefusesAMissingTensor) {
  EXPECT_EQ(refusal_of_forged([](hid_t file) { put(file, "v", H5T_IEEE_F32LE, {4, 3}); }).fact(),
            "dataset \"w\" is missing");
}

TEST_F(HostileCheckpoint, RefusesAnotherShapeOrType) {
  EXPECT_EQ(refusal_of_forged([](hid_t file) { put(file, "w", H5T_IEEE_F32LE, {3, 4}); }).fact(),
            "dataset \"w\" has the shape [3, 4], expected [4, 3]");
  EXPECT_EQ(refusal_of_forged([](hid_t file) { put(file, "w", H5T_IEEE_F32LE, {12}); }).fact(),
            "dataset \"w\" has 1 dimensions, expected 2");
  for (const hid_t type : {H5T_IEEE_F64LE, H5T_IEEE_F32BE, H5T_STD_I32LE})
    EXPECT_EQ(refusal_of_forged([&](hid_t file) { put(file, "w", type, {4, 3}); }).fact(),
              "dataset \"w\" is not of the plain little-endian type float32");
}

TEST_F(HostileCheckpoint, RefusesSoftAndExternalLinks) {
  EXPECT_EQ(refusal_of_forged([](hid_t file) { H5Lcreate_soft("/v", file, "w", H5P_DEFAULT, H5P_DEFAULT); }).fact(),
            "dataset \"w\" is a soft or external link");
  EXPECT_EQ(refusal_of_forged([](hid_t file) {
              H5Lcreate_external("/etc/passwd", "/v", file, "w", H5P_DEFAULT, H5P_DEFAULT);
            }).fact(),
            "dataset \"w\" is a soft or external link");
}

TEST_F(HostileCheckpoint, RefusesBytesThatLieInAnotherFile) {
  const std::string secret = (root / "secret").string();
  overwrite(secret, std::string(48, 's'));
  EXPECT_EQ(refusal_of_forged([&](hid_t file) {
              const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
              H5Pset_external(creation, secret.c_str(), 0, 48);
              put(file, "w", H5T_IEEE_F32LE, {4, 3}, creation);
              H5Pclose(creation);
            }).fact(),
            "dataset \"w\" lies in another file");
}

TEST_F(HostileCheckpoint, RefusesVirtualChunkedAndCompactStorage) {
  EXPECT_EQ(refusal_of_forged([&](hid_t file) {
              const hid_t creation = H5Pcreate(H5P_DATASET_CREATE), space = space_of({4, 3});
              H5Pset_virtual(creation, space, "/etc/passwd", "/v", space);
              H5Dclose(H5Dcreate2(file, "w", H5T_IEEE_F32LE, space, H5P_DEFAULT, creation, H5P_DEFAULT));
              H5Pclose(creation);
              H5Sclose(space);
            }).fact(),
            "dataset \"w\" is not contiguous");
  EXPECT_EQ(refusal_of_forged([&](hid_t file) {
              const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
              const hsize_t chunk[] = {2, 3};
              H5Pset_chunk(creation, 2, chunk);
              H5Pset_deflate(creation, 9);
              put(file, "w", H5T_IEEE_F32LE, {4, 3}, creation);
              H5Pclose(creation);
            }).fact(),
            "dataset \"w\" is not contiguous");
  EXPECT_EQ(refusal_of_forged([&](hid_t file) {
              const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
              H5Pset_layout(creation, H5D_COMPACT);
              put(file, "w", H5T_IEEE_F32LE, {4, 3}, creation);
              H5Pclose(creation);
            }).fact(),
            "dataset \"w\" is not contiguous");
}

TEST_F(HostileCheckpoint, RefusesStorageThatWasNeverAllocated) {
  EXPECT_EQ(refusal_of_forged([](hid_t file) {
              const hid_t space = space_of({4, 3});
              H5Dclose(H5Dcreate2(file, "w", H5T_IEEE_F32LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
              H5Sclose(space);
            }).fact(),
            "dataset \"w\" does not lie within the file");
}

TEST_F(HostileCheckpoint, RefusesGroupsCommittedTypesAndAttributes) {
  EXPECT_EQ(refusal_of_forged([](hid_t file) {
              H5Gclose(H5Gcreate2(file, "w", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
            }).fact(),
            "dataset \"w\" is no dataset");
  EXPECT_EQ(refusal_of_forged([](hid_t file) {
              put(file, "w", H5T_IEEE_F32LE, {4, 3});
              const hid_t space = H5Screate(H5S_SCALAR), dataset = H5Dopen2(file, "w", H5P_DEFAULT);
              H5Aclose(H5Acreate2(dataset, "a", H5T_IEEE_F32LE, space, H5P_DEFAULT, H5P_DEFAULT));
              H5Dclose(dataset);
              H5Sclose(space);
            }).fact(),
            "dataset \"w\" has attributes");
}

TEST_F(HostileCheckpoint, RefusesTwoNamesForTheSameBytes) {
  std::filesystem::create_directories(directory);
  const hid_t file = H5Fcreate(state_file.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  put(file, "w", H5T_IEEE_F32LE, {40, 3});
  H5Lcreate_hard(file, "w", file, "v", H5P_DEFAULT, H5P_DEFAULT);
  H5Fclose(file);
  seal({{"w", ElementType::float32, {40, 3}}, {"v", ElementType::float32, {40, 3}}});
  EXPECT_EQ(refusal().fact(), "dataset \"v\" shares its bytes with another");
}

TEST_F(HostileCheckpoint, SurvivesAnyDamageToTheStructureEvenWhenTheHashesFit) {
  write_sample(world, root, 1, nlohmann::json::object(), 1);
  const std::string good = bytes_of_file(state_file);
  std::mt19937 random(3);
  for (int trial = 0; trial < 300; ++trial) {
    std::string bad = good;
    for (int flips = 0; flips < 3; ++flips) bad[random() % std::min<std::size_t>(bad.size(), 6000)] ^= static_cast<char>(random());
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
