#include "base/json_document.h"

#include <algorithm>
#include <fmt/core.h>
#include <utility>

#include "base/errors.h"

namespace trellis {
namespace {

using nlohmann::json;

[[noreturn]] void refuse_document(const JsonSource& source, const std::string& what) {
  throw DataError(fmt::format("{} {}", source.name, what), source.where, source.fix);
}

// Builds the document from the parser's events; whatever breaks a limit ends it at once.
class Builder final : public nlohmann::json_sax<json> {
 public:
  Builder(const JsonLimits& limits, const JsonSource& source) : limits_(limits), source_(source) {}
  json document;

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(std::int64_t value) override { return add(value); }
  bool number_unsigned(std::uint64_t value) override { return add(value); }
  bool number_float(double value, const std::string&) override { return add(value); }
  bool string(std::string& value) override { return add(std::move(value)); }
  bool binary(json::binary_t&) override { return false; }  // JSON text has none

  bool start_object(std::size_t) override { return open(json::object()); }
  bool start_array(std::size_t) override { return open(json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(std::string& name) override {
    const auto [member, is_new] = open_.back()->get_ref<json::object_t&>().emplace(std::move(name), nullptr);
    if (!is_new) refuse_document(source_, fmt::format("has the key {} twice in one object", shown_json(member->first)));
    member_ = &member->second;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    refuse_document(source_, fmt::format("is not valid JSON at its byte {}: {}", position, shown_json(parse_reason(error))));
  }

 private:
  json* place(json value) {
    if (++values_ > limits_.values) refuse_document(source_, fmt::format("has more than {} values", limits_.values));
    if (open_.empty()) return &(document = std::move(value));
    if (open_.back()->is_object()) return &(*member_ = std::move(value));
    return &open_.back()->get_ref<json::array_t&>().emplace_back(std::move(value));
  }
  bool add(json value) {
    place(std::move(value));
    return true;
  }
  // Pointers stay right: a list grows only while it is the innermost that is open.
  bool open(json empty) {
    if (static_cast<int>(open_.size()) == limits_.depth)
      refuse_document(source_, fmt::format("is nested deeper than {} levels", limits_.depth));
    open_.push_back(place(std::move(empty)));
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  const JsonLimits& limits_;
  const JsonSource& source_;
  std::int64_t values_ = 0;
  std::vector<json*> open_;   // the lists and objects around the next event, outermost first
  json* member_ = nullptr;  // of the innermost object, that the next value belongs to
};

}  // namespace

json parse_json(std::string_view text, const JsonLimits& limits, const JsonSource& source) {
  if (static_cast<std::int64_t>(text.size()) > limits.bytes)
    refuse_document(source, fmt::format("has {} bytes, at most {} are read", text.size(), limits.bytes));
  // the parser takes a NUL for the end of its input and would not look at what follows
  if (const auto at = text.find('\0'); at != std::string_view::npos)
    refuse_document(source, fmt::format("is not valid JSON: it has a NUL at its byte {}", at));
  Builder builder(limits, source);
  json::sax_parse(text.begin(), text.end(), &builder);
  return std::move(builder.document);
}

JsonObject::JsonObject(const json& value, std::string place, JsonSource source)
    : value_(value), place_(std::move(place)), source_(std::move(source)) {
  if (!value.is_object()) refuse(place_, fmt::format("is {}, expected an object", value.type_name()));
}

void JsonObject::expect_keys(std::initializer_list<const char*> keys) const {
  for (const char* key : keys) (*this)[key];
  for (const auto& [key, _] : value_.items())
    if (std::find(keys.begin(), keys.end(), key) == keys.end())
      refuse(at(key.substr(0, 64)), "is not a key of this format");
}

const json& JsonObject::operator[](const char* key) const {
  const auto found = value_.find(key);
  if (found == value_.end()) refuse(at(key), "is missing");
  return *found;
}

std::string JsonObject::text(const char* key) const {
  const json& value = (*this)[key];
  if (!value.is_string()) refuse(at(key), fmt::format("is {}, expected a string", value.type_name()));
  return value.get<std::string>();
}

bool JsonObject::flag(const char* key) const {
  const json& value = (*this)[key];
  if (!value.is_boolean()) refuse(at(key), fmt::format("is {}, expected true or false", value.type_name()));
  return value.get<bool>();
}

std::int64_t JsonObject::count(const char* key, std::int64_t least, std::int64_t most) const {
  const json& value = (*this)[key];
  if (!value.is_number_integer())
    refuse(at(key), fmt::format("is {}, expected a whole number",
                                value.is_number() ? value.dump() : std::string(value.type_name())));
  const bool fits = !value.is_number_unsigned() || value.get<std::uint64_t>() <= static_cast<std::uint64_t>(most);
  if (!fits || value.get<std::int64_t>() < least || value.get<std::int64_t>() > most)
    refuse(at(key), fmt::format("is {}, expected {} to {}", value.dump(), least, most));
  return value.get<std::int64_t>();
}

double JsonObject::number(const char* key) const {
  const json& value = (*this)[key];
  if (!value.is_number()) refuse(at(key), fmt::format("is {}, expected a number", value.type_name()));
  return value.get<double>();
}

const json& JsonObject::list(const char* key) const {
  const json& value = (*this)[key];
  if (!value.is_array()) refuse(at(key), fmt::format("is {}, expected a list", value.type_name()));
  return value;
}

std::vector<double> JsonObject::numbers(const char* key) const {
  const json& value = (*this)[key];
  if (!value.is_array()) refuse(at(key), fmt::format("is {}, expected a list of numbers", value.type_name()));
  std::vector<double> numbers;
  for (const json& number : value) {
    if (!number.is_number())
      refuse(fmt::format("{}[{}]", at(key), numbers.size()),
             fmt::format("is {}, expected a number", number.type_name()));
    numbers.push_back(number.get<double>());
  }
  return numbers;
}

void JsonObject::refuse(const std::string& place, const std::string& what) const {
  throw DataError(fmt::format("{}: {} {}", source_.name, place.empty() ? "the whole" : "'" + place + "'", what),
                  source_.where, source_.fix);
}

std::string_view parse_reason(const nlohmann::detail::exception& error) {
  // "[json.exception.parse_error.101] parse error at line 1, column 7: syntax error while ...": the last part
  std::string_view reason = error.what();
  if (const auto end = reason.find("] "); end != std::string_view::npos) reason.remove_prefix(end + 2);
  if (const auto end = reason.find(": "); reason.starts_with("parse error at") && end != std::string_view::npos)
    reason.remove_prefix(end + 2);
  return reason;
}

std::string shown_json(std::string_view text) {
  constexpr std::size_t kShown = 200;
  const bool is_long = text.size() > kShown;
  if (is_long) {
    std::size_t end = kShown;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;  // no character is cut in two
    text = text.substr(0, end);
  }
  return json(text).dump(-1, ' ', true, json::error_handler_t::replace) + (is_long ? "..." : "");
}

}  // namespace trellis
