// The program `parity`: passes on the files in tests/parity, fails when a number differs, and says what is wrong with a
// file that it cannot use.
#include "cli/parity.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hdf5.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace trellis {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

const fs::path kFiles = fs::path(__FILE__).parent_path().parent_path() / "parity";

std::vector<fs::path> parity_files() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(kFiles)) {
    if (entry.path().extension() == ".h5") files.push_back(entry.path());
  }
  return files;
}

struct Outcome {
  int code = -1;
  std::string text;  // standard output and error
};

// Runs build/bin/parity, which lies beside the folder of this test program unless BUILD_BIN says otherwise.
Outcome parity(const std::string& arguments) {
  const char* const bin = std::getenv("BUILD_BIN");
  const fs::path program = (bin ? fs::path(bin) : fs::read_symlink("/proc/self/exe").parent_path().parent_path() / "bin") / "parity";
  Outcome outcome;
  FILE* const pipe = popen(fmt::format("'{}' {} 2>&1", program.string(), arguments).c_str(), "r");
  if (pipe == nullptr) return outcome;
  std::array<char, 4096> buffer;
  for (std::size_t n; (n = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) outcome.text.append(buffer.data(), n);
  const int status = pclose(pipe);
  outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return outcome;
}

// A copy of a parity file that a test may damage.
class CopiedFile : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / fmt::format("parity_test_{}_{}", getpid(), testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::create_directories(folder_);
    path_ = (folder_ / "case.h5").string();
    restore();
  }
  void TearDown() override { fs::remove_all(folder_); }
  void restore(const std::string& name = "discarded_history.h5") {
    fs::copy_file(kFiles / name, path_, fs::copy_options::overwrite_existing);
    fs::permissions(path_, fs::perms::owner_write, fs::perm_options::add);
  }

  void with_file(const std::function<void(hid_t)>& change) {
    const hid_t file = H5Fopen(path_.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
    ASSERT_GE(file, 0);
    change(file);
    ASSERT_GE(H5Fclose(file), 0);
  }
  void remove(const std::string& name) {
    with_file([&](hid_t file) { ASSERT_GE(H5Ldelete(file, name.c_str(), H5P_DEFAULT), 0); });
  }
  // Replaces a dataset by one of another shape, full of `value`.
  template <class T>
  void replace(const std::string& name, const std::vector<hsize_t>& shape, T value) {
    remove(name);
    with_file([&](hid_t file) {
      std::size_t count = 1;
      for (const hsize_t dim : shape) count *= dim;
      const std::vector<T> values(count, value);
      const hid_t type = std::is_same_v<T, double> ? H5T_NATIVE_DOUBLE : H5T_NATIVE_INT64;
      const hid_t space = shape.empty() ? H5Screate(H5S_SCALAR) : H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr);
      const hid_t dataset = H5Dcreate2(file, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
      ASSERT_GE(H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), 0);
      H5Dclose(dataset);
      H5Sclose(space);
    });
  }
  // Changes element `index` of a dataset.
  template <class T>
  void change(const std::string& name, std::size_t index, const std::function<T(T)>& f) {
    with_file([&](hid_t file) {
      const hid_t dataset = H5Dopen2(file, name.c_str(), H5P_DEFAULT), space = H5Dget_space(dataset);
      ASSERT_GE(dataset, 0) << name;
      std::vector<T> values(static_cast<std::size_t>(H5Sget_simple_extent_npoints(space)));
      const hid_t type = std::is_same_v<T, double> ? H5T_NATIVE_DOUBLE : H5T_NATIVE_INT64;
      ASSERT_GE(H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), 0);
      values.at(index) = f(values.at(index));
      ASSERT_GE(H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), 0);
      H5Sclose(space);
      H5Dclose(dataset);
    });
  }
  json config() { return ParityFile(path_).config(); }
  void set_config(const std::string& text) {
    with_file([&](hid_t file) {
      H5Adelete(file, "config");
      const hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
      H5Tset_size(type, text.size() + 1);
      const hid_t attribute = H5Acreate2(file, "config", type, space, H5P_DEFAULT, H5P_DEFAULT);
      ASSERT_GE(H5Awrite(attribute, type, text.c_str()), 0);
      H5Aclose(attribute);
      H5Sclose(space);
      H5Tclose(type);
    });
  }
  void set(const std::string& key, const json& value) {
    json changed = config();
    changed[key] = value;
    set_config(changed.dump());
  }
  void expect(int code, const std::string& text) {
    const Outcome outcome = parity("'" + path_ + "'");
    EXPECT_EQ(outcome.code, code) << outcome.text;
    EXPECT_THAT(outcome.text, HasSubstr(text));
    EXPECT_THAT(outcome.text, HasSubstr("case.h5"));
    EXPECT_THAT(outcome.text, Not(HasSubstr("frame #")));  // no stack trace
    EXPECT_THAT(outcome.text, Not(HasSubstr("c10::")));
  }

  fs::path folder_;
  std::string path_;
};

TEST(Parity, EveryFilePassesInEitherPrecision) {
  const auto files = parity_files();
  ASSERT_EQ(files.size(), 8u);
  for (const auto& path : files) {
    const ParityFile file(path.string());
    const auto steps = file.config().at("steps").get<std::size_t>(), parameters = file.names("params").size();
    for (const at::ScalarType type : {at::kDouble, at::kFloat}) {
      const std::vector<ParityResult> results = replay_parity(file, type);
      EXPECT_EQ(results.size(), steps * (6 + 2 * parameters)) << path;
      for (const ParityResult& result : results) {
        EXPECT_LE(result.error, type == at::kDouble ? 1e-9 : 1e-5) << path << " step " << result.step << " " << result.quantity;
      }
    }
  }
}

TEST(Parity, TheProgramPrintsEveryQuantityAndEndsWithZero) {
  const std::string file = (kFiles / "dropout_all.h5").string();
  const Outcome full = parity(file), quiet = parity("--quiet --dtype float32 --device cpu " + file);
  EXPECT_EQ(full.code, 0);
  for (const char* const name : {"loss", "aux_loss", "total", "grad_norm", "h ", "c ", "grads/embedding", "grads/W2_g", "params/W1_v", "params/bias"}) {
    for (const int step : {0, 1, 2}) EXPECT_THAT(full.text, HasSubstr(fmt::format("step {} {}", step, name)));
  }
  EXPECT_THAT(full.text, HasSubstr("float64 passed: largest error "));
  EXPECT_EQ(quiet.code, 0);
  EXPECT_THAT(quiet.text, HasSubstr("float32 passed: largest error "));
  EXPECT_THAT(quiet.text, Not(HasSubstr("grads/embedding  ")));
}

TEST(Parity, TheCommandLineIsChecked) {
  const std::map<std::string, std::pair<int, std::string>> cases{
      {"", {2, "no file is given"}},
      {"--dtype float16 x.h5", {2, "--dtype is 'float16'"}},
      {"--dytpe float32 x.h5", {2, "did you mean '--dtype'?"}},
      {"--device cuda:0 x.h5", {78, "cpu only"}},
      {"--help", {0, "Replays parity files"}},
      {"--version", {0, "parity "}},
      {"nowhere.h5", {66, "no such file"}},
      {"/", {65, "not an HDF5 file"}},
      {"'" + std::string(__FILE__) + "'", {65, "not an HDF5 file"}}};
  for (const auto& [arguments, expected] : cases) {
    const Outcome outcome = parity(arguments);
    EXPECT_EQ(outcome.code, expected.first) << arguments << "\n" << outcome.text;
    EXPECT_THAT(outcome.text, HasSubstr(expected.second)) << arguments;
  }
}

TEST(Parity, TheErrorIsRelativeToTheLargestNumberAndNanIsNeverSmall) {
  const auto tensor = [](std::vector<double> values) { return at::tensor(values, at::kDouble); };
  EXPECT_EQ(parity_error(tensor({1, 2, 4}), tensor({1, 2, 4})), 0);
  EXPECT_EQ(parity_error(tensor({1, 2, 5}), tensor({1, 2, 4})), 0.25);
  EXPECT_EQ(parity_error(tensor({1, 2, -5}), tensor({0, 2, -4})), 0.25);
  EXPECT_EQ(parity_error(tensor({1e-3, 0}), tensor({0, 0})), 1e-3);
  EXPECT_EQ(parity_error(tensor({}), tensor({})), 0);
  const double infinity = std::numeric_limits<double>::infinity(), nan = std::nan("");
  EXPECT_EQ(parity_error(tensor({nan, 1}), tensor({1, 1})), infinity);
  EXPECT_EQ(parity_error(tensor({1, 1}), tensor({nan, 1})), infinity);
  EXPECT_EQ(parity_error(tensor({infinity}), tensor({infinity})), infinity);
  EXPECT_EQ(parity_error(tensor({1, 1}), tensor({1})), infinity);
  EXPECT_EQ(parity_limit(at::kDouble), 1e-9);
  EXPECT_EQ(parity_limit(at::kFloat), 1e-5);
}

TEST_F(CopiedFile, FailsWhereOneNumberDiffers) {
  expect(0, "passed");
  const std::function<double(double)> more = [](double x) { return x + 1e-7; };
  for (const char* const name : {"step0/loss", "step0/aux_loss", "step0/total", "step0/grad_norm", "step0/h", "step0/c", "step0/grads/bias",
                                 "step0/grads/embedding", "step0/params/W2_v", "step0/params/W1_g"}) {
    restore();
    change<double>(name, 0, more);
    expect(16, "FAILED");
  }
  // what goes in matters as well
  for (const char* const name : {"params/embedding", "params/W2_v", "h0", "c0"}) {
    restore();
    change<double>(name, 5, more);
    expect(16, "ABOVE THE LIMIT");
  }
  restore();
  change<std::int64_t>("step0/tokens", 3, [](std::int64_t token) { return token == 0 ? 1 : 0; });
  expect(16, "FAILED");
  restore();
  set("discard", 3);
  expect(16, "step 0 loss");
  restore("dropout_all.h5");
  remove("step1/masks/hidden");
  expect(16, "step 1 h ");
  // one bad file among good ones is enough
  const Outcome outcome = parity(fmt::format("--quiet '{}' '{}'", path_, (kFiles / "plain.h5").string()));
  EXPECT_EQ(outcome.code, 16);
  EXPECT_THAT(outcome.text, HasSubstr("plain.h5: float64 passed"));
}

TEST_F(CopiedFile, FailsOnNan) {
  change<double>("step0/h", 0, [](double) { return std::nan(""); });
  expect(16, "inf");
}

TEST_F(CopiedFile, SaysWhatIsWrongWithTheConfig) {
  with_file([](hid_t file) { H5Adelete(file, "config"); });
  expect(65, "there is no attribute 'config'");
  set_config("{\"layers\": 6,");
  expect(65, "the attribute 'config' is not JSON");
  set_config("[1, 2]");
  expect(65, "the attribute 'config' is not a JSON object");

  struct Wrong {
    const char* key;
    json value;
    int code;
    const char* text;
  };
  const std::vector<Wrong> table{
      {"experts", 4, 78, "this case needs experts = 4"},
      {"experts", "many", 78, "this case needs experts = \"many\""},
      {"groups", 2, 78, "this case needs groups = 2"},
      {"injection_period", 3, 78, "this case needs injection_period = 3"},
      {"alpha", 2.0, 78, "this case needs alpha = 2.0"},
      {"beta", 1.0, 78, "this case needs beta = 1.0"},
      {"kind", "classifier", 78, "this case needs kind = \"classifier\""},
      {"optimizer", json{{"name", "asgd"}, {"weight_decay", 0}, {"clip", 1}}, 78, "optimizer 'asgd'"},
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

TEST_F(CopiedFile, SaysWhatIsWrongWithADataset) {
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

TEST_F(CopiedFile, TakesMasksOfIntegers) {
  restore("dropout_all.h5");
  replace<std::int64_t>("step0/masks/hidden", {3, 20}, 1);
  expect(16, "step 0 h ");  // another mask, hence other numbers, but no error
}

TEST_F(CopiedFile, SaysThatATruncatedFileIsDamaged) {
  fs::resize_file(path_, 20000);
  expect(65, "HDF5 cannot open the file");
  fs::resize_file(path_, 0);
  expect(65, "not an HDF5 file");
}

}  // namespace
}  // namespace trellis
