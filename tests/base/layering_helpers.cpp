#include "tests/base/layering_helpers.h"

#include <algorithm>
#include <fmt/format.h>
#include <regex>
#include <set>
#include <sstream>

namespace trellis {
namespace {

// A folder under src/ may include its own headers and those of the folders before it.
const std::vector<std::string> kOrder = {"base", "storage", "plan",  "predict",   "config",   "hdf5",       "corpus", "mpi",
                                         "kernels", "comm", "data",  "model",     "optimizer", "parallel",  "checkpoint", "report",
                                         "weights", "ranks", "train", "trainer",  "parity",   "cli"};
const std::set<std::string> kForPreprocessing = {"base", "storage", "plan", "config", "corpus"};

// Where a pattern may occur. `calls` patterns are sought in the code, the others in the #include lines.
struct Rule {
  std::regex pattern;
  bool in_includes;
  std::set<std::string> allowed;
  std::string fault;
};
const std::vector<Rule>& rules() {
  static const std::vector<Rule> all = {
      {std::regex("^config/"),
       true,
       {"config", "ranks", "train", "trainer", "parity", "cli", "preprocessing"},
       "only programs, and what stands right below them (ranks/, train/, trainer/), see settings: take plain values instead"},
      {std::regex("^boost/"), true, {"config"}, "only config/ sees Boost"},
      {std::regex("^torch/csrc/distributed/"), true, {"comm"}, "only comm/ sees c10d, which has no stable interface"},
      {std::regex("^nccl"), true, {"comm"}, "only comm/ sees NCCL"},
      {std::regex("^(torch|ATen|c10|caffe2)/"),
       true,
       {"comm", "model", "optimizer", "parallel", "weights", "ranks", "train", "trainer", "parity", "cli"},
       "no LibTorch in this folder"},
      {std::regex("\\bMPI_[A-Z][a-z]\\w*\\s*\\("), false, {"mpi", "comm"}, "only mpi/ and comm/ call MPI"},
      {std::regex("^hdf5\\.h$"), true, {"hdf5", "checkpoint"}, "only hdf5/ and checkpoint/ see HDF5"},
      {std::regex("\\bH5(Fis_\\w+|[DA]read\\w*|[AGO]open\\w*)\\s*\\("),
       false,
       {},
       "libhdf5 reads no file: hdf5/structure.h does"},
      {std::regex("\\bH5Fopen\\s*\\("), false, {"checkpoint"}, "only checkpoint/ opens an HDF5 file, one that it has just made"},
      // one of each
      {std::regex("\\bH5[A-Z]+close\\b"), false, {"hdf5"}, "HDF5's identifiers are owned by hdf5/handle.h"},
      {std::regex("\\bf(data)?sync\\s*\\("), false, {"storage"}, "storage/file_system.h brings files to the disk"},
      {std::regex("\\bclass File\\b"), false, {"storage"}, "storage/file.h owns files"},
      {std::regex("\\b(gethostname|MPI_Get_processor_name)\\s*\\("), false, {"base"}, "base/host_name.h names the machine"},
  };
  return all;
}

constexpr int kMostLines = 400;

std::string folder_of(const std::string& path) {
  if (path.starts_with("preprocessing/")) return "preprocessing";
  const std::string inside = path.substr(path.find('/') + 1);
  return inside.substr(0, inside.find('/'));
}

// Why the header `included` ("plan/ranges.h") may not be seen by `folder`; empty when it may.
std::string wrong_direction(const std::string& folder, const std::string& included) {
  const std::string other = included.substr(0, included.find('/'));
  if (included.find('/') == std::string::npos) return "name the header from src/ on, \"folder/file.h\"";
  if (folder == "preprocessing") {
    return other == folder || kForPreprocessing.contains(other) ? "" : "preprocessing/ may not use " + other + "/";
  }
  const auto own_place = std::find(kOrder.begin(), kOrder.end(), folder);
  const auto other_place = std::find(kOrder.begin(), kOrder.end(), other);
  if (other_place == kOrder.end()) return other + "/ is no folder of src/";
  if (own_place == kOrder.end()) return folder + "/ has no place in the order of folders";
  return other_place <= own_place ? "" : folder + "/ may not use " + other + "/, which comes after it";
}

}  // namespace

std::string without_comments_and_literals(const std::string& text) {
  std::string result = text;
  enum { code, line_comment, block_comment, string_literal, character } state = code;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i], next = i + 1 < text.size() ? text[i + 1] : '\0';
    // a quote between digits separates thousands
    const bool separates = i > 0 && std::isalnum(static_cast<unsigned char>(text[i - 1])) != 0;
    const auto enter = [&](auto to) { state = to; };
    if (state == code) {
      if (c == '/' && next == '/')
        enter(line_comment);
      else if (c == '/' && next == '*')
        enter(block_comment);
      else if (c == '"')
        enter(string_literal);
      else if (c == '\'' && !separates)
        enter(character);
      if (state == line_comment || state == block_comment) result[i] = ' ';
      continue;
    }
    const bool escapes = c == '\\' && (state == string_literal || state == character);
    const bool ends = (state == line_comment && c == '\n') || (state == string_literal && (c == '"' || c == '\n')) ||
                      (state == character && (c == '\'' || c == '\n'));
    if (ends) {
      state = code;
      continue;
    }
    if (c != '\n') result[i] = ' ';
    if (state == block_comment && c == '*' && next == '/') {
      result[++i] = ' ';
      state = code;
    } else if (escapes && next != '\0') {
      if (text[++i] != '\n') result[i] = ' ';
    }
  }
  return result;
}

std::vector<std::string> layering_faults(const std::string& path, const std::string& text) {
  static const std::regex include("^\\s*#\\s*include\\s*([<\"])([^>\"]+)[>\"]");
  const std::string folder = folder_of(path);
  std::vector<std::string> faults;
  int number = 0;
  const auto fault = [&](const std::string& what) { faults.push_back(fmt::format("{}:{}: {}", path, number, what)); };

  // includes are looked for in the text itself (a header's name is a literal), in lines that are code
  std::istringstream lines(text), code_lines(without_comments_and_literals(text));
  for (std::string line, code; std::getline(lines, line) && std::getline(code_lines, code);) {
    ++number;
    std::smatch match;
    const bool is_include = code.find('#') != std::string::npos && std::regex_search(line, match, include);
    const std::string included = is_include ? match[2].str() : "";
    if (is_include && match[1].str() == "\"") {
      const std::string wrong = wrong_direction(folder, included);
      if (!wrong.empty()) fault(wrong);
    }
    for (const Rule& rule : rules()) {
      if (rule.allowed.contains(folder)) continue;
      if (rule.in_includes ? is_include && std::regex_search(included, rule.pattern)
                           : std::regex_search(code, rule.pattern)) {
        fault(rule.fault);
      }
    }
  }
  if (number > kMostLines) fault(fmt::format("{} lines, expected at most {}: one concept a file", number, kMostLines));
  return faults;
}

}  // namespace trellis
