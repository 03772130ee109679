// README.md and docs/ tell the truth: every path, flag and setting that they name exists.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <sys/wait.h>
#include <vector>

#include "tests/base/docs_truth_helpers.h"

namespace trellis {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string text_of(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// What a command prints on standard output; empty when it fails or is not there.
std::optional<std::string> output_of(const std::string& command) {
  std::FILE* pipe = popen(("timeout 60 " + command + " 2>/dev/null").c_str(), "r");
  if (pipe == nullptr) return std::nullopt;
  std::string output;
  std::array<char, 4096> block;
  while (const std::size_t got = std::fread(block.data(), 1, block.size(), pipe)) output.append(block.data(), got);
  const int status = pclose(pipe);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? std::optional(output) : std::nullopt;
}

// The project as it lies on disk and was built.
class BuiltProject {
 public:
  BuiltProject(std::filesystem::path root, std::filesystem::path programs)
      : root_(std::move(root)), programs_(std::move(programs)) {}

  ProjectFacts facts() {
    return {.exists =
                [this](const std::string& path) {
                  const std::string built = "build/bin/";
                  return std::filesystem::exists(path.starts_with(built) ? programs_ / path.substr(built.size())
                                                                         : root_ / path);
                },
            .help = [this](const std::string& program, const std::string& command) { return help(program, command); },
            .is_setting =
                [this](const std::string& key) {
                  const auto table = help("trellis", "train");
                  return table && table->find("\n  " + key + "=") != std::string::npos;
                }};
  }

 private:
  std::optional<std::string> help(const std::string& program, const std::string& command) {
    const auto [entry, is_new] = helps_.try_emplace(program + " " + command);
    if (!is_new) return entry->second;
    if (program.find('/') != std::string::npos) {  // a script: its text names its flags
      if (std::filesystem::exists(root_ / program)) entry->second = text_of(root_ / program);
    } else {
      entry->second = output_of("'" + (programs_ / program).string() + "' " + command + " --help");
    }
    return entry->second;
  }

  std::filesystem::path root_, programs_;
  std::map<std::string, std::optional<std::string>> helps_;
};

TEST(DocsTruth, EveryPathFlagAndSettingNamedInTheDocumentsExists) {
  const char* root = std::getenv("SOURCE_DIR");
  const char* programs = std::getenv("BUILD_BIN");
  ASSERT_TRUE(root != nullptr && programs != nullptr)
      << "SOURCE_DIR and BUILD_BIN must name the project and its programs";
  std::vector<std::filesystem::path> documents = {std::filesystem::path(root) / "README.md"};
  ASSERT_TRUE(std::filesystem::exists(documents.front()));
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(root) / "docs")) {
    if (entry.path().extension() == ".md") documents.push_back(entry.path());
  }
  BuiltProject project(root, programs);
  const ProjectFacts facts = project.facts();
  for (const char* program : {"trellis", "trellis-preprocess", "parity"}) {
    EXPECT_TRUE(facts.help(program, "")) << program << " --help fails or was not built in " << programs;
  }
  for (const auto& document : documents) {
    const std::string name = std::filesystem::relative(document, root).string();
    for (const std::string& fault : documentation_faults(name, text_of(document), facts)) ADD_FAILURE() << fault;
  }
}

// A made-up project for the checker itself.
std::vector<std::string> faults_in(const std::string& text) {
  const std::set<std::string> files = {"src",     "src/cli",         "src/plan/mesh.h", "launch/build",
                                       "configs", "docs/formats.md", "README.md",       "build/bin/trellis"};
  const std::map<std::string, std::string> helps = {
      {"trellis ", "  --help, -h\n"},
      {"trellis train", "  --config FILE\n  --resume\n"},
      {"trellis checkpoint import", "  --weights FILE\n"},
      {"launch/build ", "case --debug) ;;"},
  };
  const ProjectFacts facts = {
      .exists = [&](const std::string& path) { return files.contains(path); },
      .help = [&](const std::string& program, const std::string& command) -> std::optional<std::string> {
        const auto found = helps.find(program + " " + command);
        return found == helps.end() ? std::nullopt : std::optional(found->second);
      },
      .is_setting = [](const std::string& key) { return key == "train.lanes"; }};
  return documentation_faults("docs/page.md", text, facts);
}

TEST(DocsTruth, PathsThatExistAreFineAndOthersAreFaults) {
  EXPECT_THAT(faults_in("See `src/plan/mesh.h`, `plan/mesh.h`, `./launch/build` and `configs/*.ini`.\n"), IsEmpty());
  EXPECT_THAT(faults_in("\nSee `src/plan/gone.h`.\n```\n./launch/gone --x\n```\n"),
              ElementsAre("docs/page.md:2: names src/plan/gone.h, which does not exist",
                          HasSubstr(":4: names launch/gone,"), HasSubstr(":4: names the command 'launch/gone'")));
  EXPECT_THAT(faults_in("`plan/gone.cpp` `build/bin/gone` `src/cli/` `src/`\n"),
              ElementsAre(HasSubstr("src/plan/gone.cpp"), HasSubstr("build/bin/gone")));
}

TEST(DocsTruth, ProseAndPlaceholdersAreNotChecked) {
  EXPECT_THAT(
      faults_in("src/gone.h and --gone in prose, `src/FOLDER/x.h`, `src/<name>.cpp`, `data/gone`, `runs/gone`.\n"),
      IsEmpty());
}

TEST(DocsTruth, AMissingFlagOfAProgramIsAFault) {
  EXPECT_THAT(
      faults_in("```\nmpirun -n 2 --bind-to none build/bin/trellis train --config x --resume train.lanes=4\n```\n"),
      IsEmpty());
  EXPECT_THAT(faults_in("```\ntrellis train --config x \\\n  --gone=3  # --comment\n```\n"),
              ElementsAre("docs/page.md:2: names the flag --gone of 'trellis train', which its --help does not"));
  EXPECT_THAT(faults_in("Use `trellis train --conf x`.\n"), ElementsAre(HasSubstr("--conf of 'trellis train'")));
  EXPECT_THAT(faults_in("Use `launch/build --debug` or `launch/build --gone`.\n"),
              ElementsAre(HasSubstr("--gone of 'launch/build'")));
}

TEST(DocsTruth, ACommandOfTwoWordsHasFlagsOfItsOwn) {
  EXPECT_THAT(faults_in("Use `trellis checkpoint import --weights FILE`; `--weights`.\n"), IsEmpty());
  EXPECT_THAT(faults_in("Use `trellis checkpoint import --resume`.\n"), ElementsAre(HasSubstr("--resume of 'trellis checkpoint import'")));
  EXPECT_THAT(faults_in("Use `trellis checkpoint fetch --weights`.\n"), ElementsAre(HasSubstr("the command 'trellis checkpoint fetch'")));
}

TEST(DocsTruth, AMissingCommandIsAFault) {
  EXPECT_THAT(faults_in("`trellis dream --deeply`\n"),
              ElementsAre(HasSubstr("names the command 'trellis dream', which does not exist")));
}

TEST(DocsTruth, AFlagAloneMustBelongToSomeProgram) {
  EXPECT_THAT(faults_in("`--resume auto`, `--debug`\n"), IsEmpty());
  EXPECT_THAT(faults_in("`--gone`\n"), ElementsAre(HasSubstr("names the flag --gone, which no program")));
}

TEST(DocsTruth, FlagsOfOtherProgramsAreTheirOwn) {
  EXPECT_THAT(faults_in("`cmake --preset release` and\n```\ngit clone --depth 1 x && launch/build --debug\n```\n"),
              IsEmpty());
}

TEST(DocsTruth, AMissingSettingIsAFault) {
  EXPECT_THAT(faults_in("`train.lanes`, `train.lanes=4`, `wiki.train.tokens`, `train.cpp`, `checkpoint.h5`\n"),
              IsEmpty());
  EXPECT_THAT(faults_in("`train.lines` and `mesh.gone=2`\n"),
              ElementsAre(HasSubstr("the setting train.lines"), HasSubstr("the setting mesh.gone")));
}

TEST(DocsTruth, ABrokenLinkIsAFault) {
  EXPECT_THAT(faults_in("[formats](formats.md#metrics), [top](../README.md), [site](https://example.org/x)\n"),
              IsEmpty());
  EXPECT_THAT(faults_in("[gone](gone.md)\n"),
              ElementsAre("docs/page.md:1: links to docs/gone.md, which does not exist"));
}

}  // namespace
}  // namespace trellis
