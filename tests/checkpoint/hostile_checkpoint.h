// A checkpoint for tests to damage, or to forge with right hashes as someone who knows the format would.
#pragma once

#include <functional>
#include <gmock/gmock.h>
#include <hdf5.h>
#include <string>
#include <vector>

#include "base/errors.h"
#include "checkpoint/block_hash.h"
#include "checkpoint/checkpoint_manifest.h"
#include "checkpoint/reader.h"
#include "tests/checkpoint/one_rank.h"

namespace trellis::testing_support {

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
    checkpoint::Manifest manifest;
    manifest.step = 1;
    manifest.tensors = tensors;
    manifest.state_bytes = static_cast<std::int64_t>(std::filesystem::file_size(state_file));
    manifest.state_hash = checkpoint::hash_of_file(world, state_file, manifest.state_bytes);
    manifest.state = nlohmann::json::object();
    overwrite(manifest_file, checkpoint::manifest_text(manifest));
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
    text.replace(digits, 32, checkpoint::hash_of_text(text));
    overwrite(manifest_file, text);
    return refusal();
  }
};

}  // namespace trellis::testing_support
