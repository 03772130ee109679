#include "tests/base/docs_truth_helpers.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <regex>
#include <set>
#include <sstream>

namespace trellis {
namespace {

const std::set<std::string> kPrograms = {"trellis", "trellis-preprocess", "parity"};
const std::set<std::string> kWithCommands = {"trellis", "trellis-preprocess"};
const std::set<std::string> kCommandsOfTwoWords = {"checkpoint"};
// what a bare `--flag` may belong to
const std::vector<std::pair<std::string, std::string>> kFlagOwners = {
    {"trellis", "train"}, {"trellis", "evaluate"}, {"trellis", "generate"}, {"trellis", "plan"}, {"trellis", "checkpoint import"}, {"trellis", "checkpoint export"}, {"trellis-preprocess", "text"}, {"trellis-preprocess", "images"},
    {"parity", ""},       {"trellis", ""},         {"launch/setup", ""},           {"launch/build", ""},
    {"launch/clean", ""}, {"tests/run", ""},       {"launch/quickstart", ""}};

// A piece of code in a document: a span, or a line of a code block with its continuations.
struct Snippet {
  int line;
  std::string text;
  bool is_block;
};

std::vector<Snippet> snippets_of(const std::string& text) {
  std::vector<Snippet> snippets;
  std::istringstream lines(text);
  std::string fence;
  int number = 0;
  bool continued = false;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const auto first = line.find_first_not_of(' ');
    const std::string body = first == std::string::npos ? "" : line.substr(first);
    const bool is_fence = body.starts_with("```") || body.starts_with("~~~");
    if (is_fence && (fence.empty() || body.starts_with(fence))) {
      fence = fence.empty() ? body.substr(0, 3) : "";
      continued = false;
      continue;
    }
    // four blanks begin a code block, but also go on with a list: both are read for their spans as well
    if (!fence.empty() || (first != std::string::npos && first >= 4 && body.find('`') == std::string::npos)) {
      if (continued)
        snippets.back().text += " " + body;
      else
        snippets.push_back({number, body, true});
      std::string& joined = snippets.back().text;
      continued = joined.ends_with('\\');
      if (continued) joined.pop_back();
      continue;
    }
    continued = false;
    for (auto open = line.find('`'); open != std::string::npos;) {
      const auto ticks = line.find_first_not_of('`', open);
      if (ticks == std::string::npos) break;
      const std::string mark(ticks - open, '`');
      const auto close = line.find(mark, ticks);
      if (close == std::string::npos) break;
      snippets.push_back({number, line.substr(ticks, close - ticks), false});
      open = line.find('`', close + mark.size());
    }
  }
  return snippets;
}

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words;
  std::istringstream stream(text);
  for (std::string word; stream >> word;) {
    if (word.starts_with('#')) break;  // a shell comment
    bool ends = false;
    while (!word.empty() && std::string_view(";,:)'\"").find(word.back()) != std::string_view::npos) {
      ends = ends || word.back() == ';';
      word.pop_back();
    }
    word.erase(0, std::min(word.find_first_not_of("('\"["), word.size()));
    if (!word.empty()) words.push_back(word);
    if (ends) words.push_back(";");
  }
  return words;
}

bool is_placeholder(const std::string& word) {
  return word.find_first_of("<>{}$") != std::string::npos || word.find("...") != std::string::npos ||
         std::regex_search(word, std::regex("(^|/)[A-Z][A-Z_0-9]*(/|$)")) || word.find("…") != std::string::npos;
}

class Checker {
 public:
  Checker(std::string document, const ProjectFacts& facts) : document_(std::move(document)), facts_(facts) {}

  void check(const Snippet& snippet) {
    line_ = snippet.line;
    const std::vector<std::string> words = words_of(snippet.text);
    for (const std::string& word : words) {
      check_path(word);
      check_setting(word);
    }
    check_flags(words, snippet.is_block);
  }

  void check_links(const std::string& text) {
    static const std::regex link("\\]\\(([^)#\\s]+)[^)]*\\)");
    std::istringstream lines(text);
    line_ = 0;
    for (std::string line; std::getline(lines, line);) {
      ++line_;
      for (std::sregex_iterator at(line.begin(), line.end(), link), end; at != end; ++at) {
        const std::string target = (*at)[1];
        if (target.find(':') != std::string::npos) continue;  // another site
        const auto path = (std::filesystem::path(document_).parent_path() / target).lexically_normal().string();
        if (!facts_.exists(path)) fault(fmt::format("links to {}, which does not exist", path));
      }
    }
  }

  std::vector<std::string> faults() const { return faults_; }

 private:
  void fault(const std::string& what) { faults_.push_back(fmt::format("{}:{}: {}", document_, line_, what)); }

  void check_path(std::string word) {
    static const std::regex top("(src|tests|docs|configs|launch|preprocessing|cluster|\\.ci|build/bin)/.+");
    static const std::regex source(
        "(base|plan|config|corpus|mpi|kernels|comm|data|model|parallel|checkpoint|report|train|cli)/[^ "
        "]*\\.(h|cpp|cu|def)");
    static const std::regex file("(README|LICENSE|CMakeLists|CMakePresets)(\\.[a-z]+)?");
    if (word.starts_with("./")) word.erase(0, 2);
    while (word.ends_with('.') || word.ends_with('/')) word.pop_back();
    static const std::regex line_suffix(":[0-9]+$");
    word = std::regex_replace(word, line_suffix, "");
    if (is_placeholder(word) && !std::regex_match(word, file)) return;
    std::string path;
    if (std::regex_match(word, top) || std::regex_match(word, file)) path = word;
    if (path.empty() && std::regex_match(word, source)) path = "src/" + word;
    if (path.empty()) return;
    const auto star = path.find('*');
    if (star != std::string::npos) path = path.substr(0, path.rfind('/', star));
    if (!facts_.exists(path)) fault(fmt::format("names {}, which does not exist", path));
  }

  void check_setting(const std::string& word) {
    static const std::regex assignment("([a-z_]+\\.[a-z_0-9]+)=.*");
    static const std::regex mention(
        "(model|dropout|auxiliary|train|optimizer|schedule|valid|checkpoint|log|memory|data)\\.([a-z_0-9]+)\\.?");
    static const std::set<std::string> endings = {"h",     "cpp", "cu",  "def",    "h5", "json",
                                                  "jsonl", "ini", "txt", "tokens", "md", "safetensors"};
    std::smatch match;
    std::string key;
    if (std::regex_match(word, match, assignment)) {
      key = match[1];
    } else if (std::regex_match(word, match, mention) && !endings.contains(match[2])) {
      key = match[1].str() + "." + match[2].str();
    }
    if (!key.empty() && !facts_.is_setting(key)) fault(fmt::format("names the setting {}, which does not exist", key));
  }

  // Walks over a command line, keeping whose flags these are.
  void check_flags(const std::vector<std::string>& words, bool is_block) {
    enum { nobody, ours, foreign } owner = nobody;
    std::string program, command;
    std::optional<std::string> help;
    for (std::size_t i = 0; i < words.size(); ++i) {
      std::string word = words[i];
      if (word == "|" || word == "&&" || word == "||" || word == ";" || word == "or" || word == "and") {
        owner = nobody;
        continue;
      }
      if (const auto named = program_in(word); !named.empty()) {
        program = named;
        command.clear();
        static const std::regex name("[a-z]+");
        if (kWithCommands.contains(program) && i + 1 < words.size() && std::regex_match(words[i + 1], name)) {
          command = words[i + 1];
          if (kCommandsOfTwoWords.contains(command) && i + 2 < words.size() && std::regex_match(words[i + 2], name)) command += " " + words[i + 2];
        }
        owner = ours;
        help = facts_.help(program, command);
        if (!help) fault(fmt::format("names the command '{}', which does not exist", command_text(program, command)));
        continue;
      }
      static const std::regex flag("(--[a-zA-Z][a-zA-Z0-9-]*).*");
      std::smatch match;
      if (!std::regex_match(word, match, flag)) {
        static const std::regex environment("[A-Z_0-9]+=.*");
        if (owner == nobody && !std::regex_match(word, environment) && !word.starts_with('[')) owner = foreign;
        continue;
      }
      if (owner == ours && help && !has_flag(*help, match[1])) {
        fault(fmt::format("names the flag {} of '{}', which its --help does not", match[1].str(),
                          command_text(program, command)));
      }
      if (owner == nobody && !is_block && !anybody_has(match[1])) {
        fault(fmt::format("names the flag {}, which no program of the project has", match[1].str()));
      }
    }
  }

  static std::string program_in(std::string word) {
    if (word.starts_with("./")) word.erase(0, 2);
    if (word.starts_with("build/bin/")) word.erase(0, 10);
    if (kPrograms.contains(word)) return word;
    static const std::regex script("launch/[a-z_-]+|tests/run|\\.ci/run");
    return std::regex_match(word, script) ? word : "";
  }

  static std::string command_text(const std::string& program, const std::string& command) {
    return command.empty() ? program : program + " " + command;
  }

  static bool has_flag(const std::string& help, const std::string& flag) {
    return std::regex_search(help, std::regex("(^|[^a-zA-Z0-9-])" + flag + "($|[^a-zA-Z0-9-])"));
  }

  bool anybody_has(const std::string& flag) const {
    return std::any_of(kFlagOwners.begin(), kFlagOwners.end(), [&](const auto& owner) {
      const auto help = facts_.help(owner.first, owner.second);
      return help && has_flag(*help, flag);
    });
  }

  std::string document_;
  const ProjectFacts& facts_;
  int line_ = 0;
  std::vector<std::string> faults_;
};

}  // namespace

std::vector<std::string> documentation_faults(const std::string& document, const std::string& text,
                                              const ProjectFacts& facts) {
  Checker checker(document, facts);
  for (const Snippet& snippet : snippets_of(text)) checker.check(snippet);
  checker.check_links(text);
  return checker.faults();
}

}  // namespace trellis
