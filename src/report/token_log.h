// What a network thought of every token of a text, as a table for other programs: tab-separated, a header line, then one
// line a token:
//   position         of the token in its text, counted from 0
//   id               in the vocabulary
//   token            as the vocabulary spells it; tab, newline, carriage return and backslash as \t \n \r \\, other control
//                    characters and bytes that are not UTF-8 as \xHH
//   log_probability  natural logarithm, 17 significant digits
#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace trellis {

class TokenLog {
 public:
  // Throws OutputExistsError (73) when there is anything at `path`, WriteError (74) when it cannot be made.
  explicit TokenLog(const std::filesystem::path& path);
  // Removes a file that was not finished.
  ~TokenLog();
  TokenLog(TokenLog&& other) noexcept = default;
  TokenLog& operator=(TokenLog&&) = delete;

  // Buffered. Throws WriteError.
  void write(std::int64_t position, std::int64_t id, std::string_view token, double log_probability);
  // Everything that was written is in the file when this returns, and stays. Throws WriteError.
  void finish();

 private:
  [[noreturn]] void fail(int number) const;

  std::string path_;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
};

// A token as it stands in the table.
std::string escape_token(std::string_view token);

}  // namespace trellis
