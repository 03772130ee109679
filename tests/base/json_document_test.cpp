#include "base/json_document.h"

#include <fmt/core.h>
#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "base/errors.h"

namespace trellis {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

const JsonSource kSource{"document", "here.json", "make it again"};
constexpr JsonLimits kLimits{.bytes = 64 << 20, .depth = 5, .values = 100'000};

std::string refusal(const std::string& text, const JsonLimits& limits = kLimits) {
  try {
    parse_json(text, limits, kSource);
  } catch (const DataError& error) {
    EXPECT_EQ(error.where(), "here.json");
    EXPECT_EQ(error.fix(), "make it again");
    EXPECT_LT(error.fact().size(), 1000u);
    return error.fact();
  }
  return "no error";
}

TEST(JsonDocument, IsWhatTheTextSays) {
  for (const char* text :
       {"null", "-7", "[]", "{}", R"({"a":[1,-2,3.5,"x",null,true,{"b":{}}],"c":18446744073709551615,"":""})",
        R"([[1,2],[],[{"k":[0]},{"k":[1]}],"A"])"})
    EXPECT_EQ(parse_json(text, kLimits, kSource), json::parse(text)) << text;
}

TEST(JsonDocument, IsRefusedBeyondEachLimit) {
  EXPECT_EQ(refusal("[1,2]", {.bytes = 4, .depth = 5, .values = 9}), "document has 5 bytes, at most 4 are read");
  EXPECT_EQ(refusal("[[[[[]]]]]"), "no error");
  EXPECT_EQ(refusal("[[[[[[]]]]]]"), "document is nested deeper than 5 levels");
  EXPECT_EQ(refusal(R"({"a":{"a":{"a":{"a":{"a":{}}}}}})"), "document is nested deeper than 5 levels");
  const JsonLimits few{.bytes = 100, .depth = 5, .values = 4};
  EXPECT_EQ(refusal("[1,2,3]", few), "no error");
  EXPECT_EQ(refusal("[1,2,3,4]", few), "document has more than 4 values");
  EXPECT_EQ(refusal(R"({"a":1,"b":[],"c":{},"d":""})", few), "document has more than 4 values");
}

TEST(JsonDocument, IsRefusedWhereItCannotBeMeant) {
  EXPECT_EQ(refusal(R"({"a":1,"b":{"a":2},"a":3})"), "document has the key \"a\" twice in one object");
  EXPECT_EQ(refusal(std::string("{}\0{}", 5)), "document is not valid JSON: it has a NUL at its byte 2");
  for (const char* text : {"", " ", "{", "[1,]", "{}x", "{} {}", "nul", "NaN", "Infinity", "01", "+1", ".5", "1.", "'a'", "{a:1}",
                           "// c\n1", "\"\xff\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"", R"("\ud800")", R"("\x")", "\"\n\"", "1e999", "-1e999"})
    EXPECT_THAT(refusal(text), StartsWith("document is not valid JSON at its byte ")) << text;
  EXPECT_THAT(refusal("[" + std::string(1 << 20, '9') + "]"), HasSubstr("..."));  // of the number only the beginning is shown
  EXPECT_THAT(refusal("[\"" + std::string(1 << 20, 'x')), HasSubstr("..."));
}

TEST(JsonDocument, DeepOrLongOnesTakeNoStackAndLittleMemory) {
  EXPECT_THAT(refusal(std::string(10 << 20, '[')), HasSubstr("nested deeper than 5"));
  std::string keys;
  for (int i = 0; i < 1'000'000; ++i) keys += "{\"a\":";
  EXPECT_THAT(refusal(keys), HasSubstr("nested deeper than 5"));

  std::string flat = "[";
  while (flat.size() < 60u << 20) flat += "0,0,0,0,0,0,0,0,0,0,";
  flat.back() = ']';
  std::string object = "{";
  for (int i = 0; object.size() < 60u << 20; ++i) object += fmt::format("\"{}\":0,", i);
  object.back() = '}';
  rusage before{}, after{};
  ::getrusage(RUSAGE_SELF, &before);
  EXPECT_THAT(refusal(flat), HasSubstr("more than 100000 values"));
  EXPECT_THAT(refusal(object), HasSubstr("more than 100000 values"));
  ::getrusage(RUSAGE_SELF, &after);
  EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 100 << 10);  // KiB
}

json sample() { return json::parse(R"({"n":5,"x":1.5,"big":18446744073709551615,"neg":-1,"t":"text","b":true,"z":null,"l":[1,2.5],"o":{"p":[{"q":1}]}})"); }

std::string refusal_of(const std::function<void(const JsonObject&)>& reading) {
  const json document = sample();
  const JsonObject object(document, "", kSource);
  try {
    reading(object);
  } catch (const DataError& error) {
    return error.fact();
  }
  return "no error";
}

TEST(JsonObject, GivesItsMembers) {
  const json document = sample();
  const JsonObject object(document, "", kSource);
  EXPECT_EQ(object.count("n", 0), 5);
  EXPECT_EQ(object.number("x"), 1.5);
  EXPECT_EQ(object.number("n"), 5.0);
  EXPECT_EQ(object.text("t"), "text");
  EXPECT_TRUE(object.flag("b"));
  EXPECT_TRUE(object.is_null("z"));
  EXPECT_THAT(object.numbers("l"), testing::ElementsAre(1, 2.5));
  EXPECT_EQ(object.object("o").list("p").size(), 1u);
  EXPECT_FALSE(object.has("nothing"));
}

TEST(JsonObject, NamesThePlaceOfWhatIsWrong) {
  EXPECT_EQ(refusal_of([](const JsonObject& o) { o.count("x", 0); }), "document: 'x' is 1.5, expected a whole number");
  EXPECT_EQ(refusal_of([](const JsonObject& o) { o.count("t", 0); }), "document: 't' is string, expected a whole number");
  EXPECT_EQ(refusal_of([](const JsonObject& o) { o.count("neg", 0, 9); }), "document: 'neg' is -1, expected 0 to 9");
  EXPECT_EQ(refusal_of([](const JsonObject& o) { o.count("big", 0); }),
            "document: 'big' is 18446744073709551615, expected 0 to 9007199254740992");
  EXPECT_EQ(refusal_of([](const JsonObject& o) { o.text("gone"); }), "document: 'gone' is missing");
  EXPECT_EQ(refusal_of([](const JsonObject& o) { o.object("o").object("p"); }), "document: 'o.p' is array, expected an object");
  EXPECT_EQ(refusal_of([](const JsonObject& o) { o.numbers("o"); }), "document: 'o' is object, expected a list of numbers");
  EXPECT_EQ(refusal_of([](const JsonObject& o) { o.flag("n"); }), "document: 'n' is number, expected true or false");
  EXPECT_EQ(refusal_of([](const JsonObject& o) { o.object("o").expect_keys({"p", "r"}); }), "document: 'o.r' is missing");
  EXPECT_EQ(refusal_of([](const JsonObject& o) { o.object("o").expect_keys({}); }), "document: 'o.p' is not a key of this format");
}

}  // namespace
}  // namespace trellis
