#include "tests/parity/parity_case_helpers.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>

#include "parity/parity_file.h"

namespace trellis::testing_support {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

namespace {

// build/tests: the folder of this test program
fs::path program_folder() { return fs::read_symlink("/proc/self/exe").parent_path(); }

}  // namespace

fs::path parity_folder() {
  const char* const source = std::getenv("SOURCE_DIR");
  return (source ? fs::path(source) : program_folder().parent_path().parent_path()) / "tests" / "parity";
}

Outcome parity(const std::string& arguments) {
  const char* const bin = std::getenv("BUILD_BIN");
  const fs::path program = (bin ? fs::path(bin) : program_folder().parent_path() / "bin") / "parity";
  Outcome outcome;
  FILE* const pipe = popen(fmt::format("'{}' {} 2>&1", program.string(), arguments).c_str(), "r");
  if (pipe == nullptr) return outcome;
  std::array<char, 4096> buffer;
  for (std::size_t n; (n = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) outcome.text.append(buffer.data(), n);
  const int status = pclose(pipe);
  outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return outcome;
}

void CopiedFile::SetUp() {
  folder_ = fs::temp_directory_path() / fmt::format("parity_test_{}_{}", getpid(), testing::UnitTest::GetInstance()->current_test_info()->name());
  fs::create_directories(folder_);
  path_ = (folder_ / "case.h5").string();
  restore();
}

void CopiedFile::restore(const std::string& name) {
  fs::copy_file(parity_folder() / name, path_, fs::copy_options::overwrite_existing);
  fs::permissions(path_, fs::perms::owner_write, fs::perm_options::add);
}

json CopiedFile::config() { return ParityFile(path_).config(); }

void CopiedFile::set_config(const std::string& text) {
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

void CopiedFile::set(const std::string& key, const json& value) {
  json changed = config();
  changed[key] = value;
  set_config(changed.dump());
}

void CopiedFile::expect(int code, const std::string& text) {
  const Outcome outcome = parity("'" + path_ + "'");
  EXPECT_EQ(outcome.code, code) << outcome.text;
  EXPECT_THAT(outcome.text, HasSubstr(text));
  EXPECT_THAT(outcome.text, HasSubstr("case.h5"));
  EXPECT_THAT(outcome.text, Not(HasSubstr("frame #")));  // no stack trace
  EXPECT_THAT(outcome.text, Not(HasSubstr("c10::")));
}

}  // namespace trellis::testing_support
