// The one door for JSON from files, which may hold anything: text in, a document out that is bounded in depth, size and memory
// and says nothing twice; and the reading of its objects with errors that name the place ("manifest: 'files[0].bytes' is
// 1.5, expected a whole number"). Every fault is a DataError (65).
#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace trellis {

// What errors about a document say: its name ("manifest"), where it is, and what can be done about it.
struct JsonSource {
  std::string name, where, fix;
};

// `values` counts all of them, lists and objects and what is in them: a value takes 16 bytes of memory in a list and about
// 100 in an object, however little text it has.
struct JsonLimits {
  std::int64_t bytes = 0;
  int depth = 0;
  std::int64_t values = 0;
};

// Refuses what exceeds a limit before it takes memory; what is no JSON or no UTF-8; a NUL, which would hide what follows it;
// an object with the same key twice; numbers too large for float64. Takes time and memory in proportion to the text, but
// for `values`.
nlohmann::json parse_json(std::string_view text, const JsonLimits& limits, const JsonSource& source);

// One object of a document and its place in it. Borrows the value.
class JsonObject {
 public:
  JsonObject(const nlohmann::json& value, std::string place, JsonSource source);

  // Refuses other keys, and their absence.
  void expect_keys(std::initializer_list<const char*> keys) const;
  bool has(const char* key) const { return value_.contains(key); }
  bool is_null(const char* key) const { return (*this)[key].is_null(); }
  // Its members; a DataError where there is none of that name or it is of another kind.
  const nlohmann::json& operator[](const char* key) const;
  std::string text(const char* key) const;
  bool flag(const char* key) const;
  // A whole number, written as one. The default limit is that up to which every JSON reader keeps whole numbers exactly.
  std::int64_t count(const char* key, std::int64_t least, std::int64_t most = std::int64_t{1} << 53) const;
  double number(const char* key) const;
  const nlohmann::json& list(const char* key) const;
  std::vector<double> numbers(const char* key) const;
  JsonObject object(const char* key) const { return {(*this)[key], at(key), source_}; }

  std::string at(const std::string& key) const { return place_.empty() ? key : place_ + "." + key; }
  const std::string& where() const { return source_.where; }
  [[noreturn]] void refuse(const std::string& place, const std::string& what) const;

 private:
  const nlohmann::json& value_;
  std::string place_;
  JsonSource source_;
};

// A text from a document as it can stand in a message: quoted, escaped to plain ASCII, cut when it is long.
std::string shown_json(std::string_view text);

// What the parser found wrong, without its own name for it and the place, which errors give as a byte: "syntax error while ...". A part of
// error.what().
std::string_view parse_reason(const nlohmann::detail::exception& error);

}  // namespace trellis
