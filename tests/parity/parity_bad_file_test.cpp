// What `parity` says about a file that it cannot use: message, place and exit code.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include "tests/parity/parity_case_helpers.h"

namespace trellis {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

using ParityOfABadFile = testing_support::CopiedFile;

TEST_F(ParityOfABadFile, SaysWhatIsWrongWithTheConfig) {
  with_file([](hid_t file) { H5Adelete(file, "config"); });
  expect(65, "there is no attribute 'config'");
  set_config("{\"layers\": 6,");
  expect(65, "the attribute 'config' is not valid JSON");
  set_config("[1, 2]");
  expect(65, "the attribute 'config' is not a JSON object");

  struct Wrong {
    const char* key;
    json value;
    int code;
    const char* text;
  };
  const std::vector<Wrong> table{
      {"experts", 4, 65, "params/prior_weight"},
      {"experts", "many", 65, "config.experts cannot be used"},
      {"experts", 1000000000, 65, "parity cases are small"},
      {"groups", 3, 65, "model.groups"},
      {"injection_period", 0, 65, "model.injection_every"},
      {"alpha", "two", 65, "config.alpha cannot be used"},
      {"kind", "tagger", 78, "this case needs kind = 'tagger'"},
      {"kind", "classifier", 65, "a classifier has neither experts nor cutoffs nor auxiliary outputs"},
      {"optimizer", json{{"name", "lion"}, {"weight_decay", 0}, {"clip", 1}, {"lr", 1}}, 78, "optimizer 'lion'"},
      {"optimizer", json{{"name", "asgd"}, {"weight_decay", 0}, {"clip", 1}, {"lr", 1}}, 65, "step0/averages/"},
      {"optimizer", json{{"name", "sgd"}}, 65, "config.weight_decay cannot be used"},
      {"optimizer", "sgd", 65, "config.name cannot be used"},
      {"layers", "six", 65, "config.layers cannot be used"},
      {"layers", 0, 65, "model.levels is 0, but must be at least 1"},
      {"layers", 1000000000000, 65, "parity cases are small"},
      {"hidden", 100000000, 65, "parity cases are small"},
      {"dilations", json::array(), 65, "model.dilations is empty"},
      {"dilations", {1, -1}, 65, "model.dilations is -1"},
      {"dilations", {1, 1000000000000}, 65, "parity cases are small"},
      {"cutoffs", {3, 3}, 65, "cutoff 3 does not lie between"},
      {"outputs", 21, 65, "is more than model.hidden"},
      {"outputs", 11, 65, "differs from model.outputs"},
      {"hidden", 21, 65, "expected [84]"},
      {"kernel", 3, 65, "expected [80, 12, 3]"},
      {"cutoffs", {8}, 65, "params/cluster_weight"},
      {"weight_norm", false, 65, "params/W1"},
      {"batch", 4, 65, "expected integers [lanes, steps]"},
      {"batch", 0, 65, "batch = 0"},
      {"steps", 0, 65, "steps = 0"},
      {"steps", 2, 65, "step1/tokens"},
      {"discard", -1, 65, "discard = -1"},
      {"discard", 9, 65, "tokens, targets and discard do not fit each other"}};
  for (const Wrong& wrong : table) {
    SCOPED_TRACE(fmt::format("{} = {}", wrong.key, wrong.value.dump()));
    restore();
    set(wrong.key, wrong.value);
    expect(wrong.code, wrong.text);
  }
  restore();
  json missing = config();
  missing.erase("vocabulary");
  set_config(missing.dump());
  expect(65, "config.vocabulary cannot be used");
}

TEST_F(ParityOfABadFile, SaysWhatIsWrongWithADataset) {
  for (const char* const name : {"params/W2_v", "h0", "step0/targets", "step0/loss", "step0/grads/bias", "step0/params/embedding"}) {
    restore();
    remove(name);
    expect(65, "there is no such dataset");
    expect(65, name);
  }
  restore();
  remove("step0");
  expect(65, "step0/tokens");
  restore();
  replace<double>("params/bias", {81}, 0);
  expect(65, "the shape is [81], expected [80]");
  restore();
  replace<double>("step0/tokens", {3, 9}, 0);
  expect(65, "expected integers [lanes, steps]");
  restore();
  replace<std::int64_t>("step0/tokens", {}, 0);
  expect(65, "expected integers [lanes, steps]");
  restore();
  replace<std::int64_t>("step0/targets", {3, 8}, 0);
  expect(65, "tokens, targets and discard do not fit each other");
  for (const std::int64_t token : {-1, 40}) {
    for (const char* const name : {"step0/tokens", "step0/targets"}) {
      restore();
      change<std::int64_t>(name, 7, [&](std::int64_t) { return token; });
      expect(65, "a token is outside [0, 40)");
    }
  }
  restore();
  with_file([](hid_t file) { H5Gclose(H5Gcreate2(file, "params/extra", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT)); });
  expect(65, "a parameter that this network does not have");
  restore();
  remove("params/bias");
  with_file([](hid_t file) { H5Gclose(H5Gcreate2(file, "params/bias", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT)); });
  expect(65, "not a dataset");
}

TEST_F(ParityOfABadFile, SaysWhatIsWrongWithSequences) {
  const auto wrong = [&](const std::function<void()>& spoil, const char* text) {
    restore("classifier.h5");
    spoil();
    expect(65, text);
  };
  wrong([&] { remove("step0/labels"); }, "step0/labels");
  wrong([&] { remove("step1/pixels"); }, "step1/pixels");
  wrong([&] { change<std::int64_t>("step0/labels", 0, [](std::int64_t) { return 10; }); }, "step0/labels");
  wrong([&] { change<std::int64_t>("step0/labels", 0, [](std::int64_t) { return -1; }); }, "step0/labels");
  wrong([&] { replace<double>("step0/pixels", {1, 1}, 0); }, "step0/pixels");
  wrong([&] { remove("params/linear_bias"); }, "params/linear_bias");
}

TEST_F(ParityOfABadFile, TakesMasksOfIntegers) {
  restore("dropout_all.h5");
  replace<std::int64_t>("step0/masks/hidden", {3, 20}, 1);
  expect(16, "step 0 h ");  // another mask, hence other numbers, but no error
}

TEST_F(ParityOfABadFile, SaysThatATruncatedFileIsDamaged) {
  fs::resize_file(path_, 20000);
  expect(65, "says that it ends at byte");
  fs::resize_file(path_, 0);
  expect(65, "is no HDF5 file");
}

}  // namespace
}  // namespace trellis
