// Safetensors files that are damaged, cut short, or made to mislead: each must be refused when it is opened, with a
// message that says what was found and what was expected, and nothing that they claim may be believed before it is
// checked.
#include <fcntl.h>
#include <random>
#include <sys/stat.h>

#include "tests/source_folder.h"
#include "tests/weights/safetensors_helpers.h"

namespace trellis {
namespace {

using namespace testing_support;
using testing::AnyOf;
using testing::HasSubstr;
using testing::StartsWith;

class HostileSafetensors : public testing::Test {
 protected:
  // Opens a file of these bytes, which must be refused as bad data with place and remedy; gives what is wrong.
  std::string refusal(const std::string& bytes) {
    put_file(path, bytes);
    const std::string said = error_of([&] { SafetensorsFile::open(path); });
    EXPECT_THAT(said, StartsWith("65: "));
    EXPECT_THAT(said, HasSubstr("\n  where: " + path.string() + "\n  fix:   "));
    return said.substr(0, said.find("\n  where: "));
  }
  const TemporaryDirectory directory;
  const fs::path path = directory / "weights.safetensors";
};

// Every claim of a header. The data are 16 bytes where nothing else is said.
struct Row {
  std::string header, message;
  std::size_t data = 16;
};

const std::string kRest = R"("dtype":"F32","shape":[4],"data_offsets":[0,16])";
std::string entry(const std::string& name) { return '"' + name + "\":{" + kRest + '}'; }
std::string with_dtype(const std::string& dtype) {
  return R"({"a":{"dtype":)" + dtype + R"(,"shape":[4],"data_offsets":[0,16]}})";
}
std::string with_shape(const std::string& shape) {
  return R"({"a":{"dtype":"F32","shape":)" + shape + R"(,"data_offsets":[0,16]}})";
}
std::string many_ones(int count) {
  std::string text = "[1";
  for (int i = 1; i < count; ++i) text += ",1";
  return text + "]";
}
std::string with_offsets(const std::string& offsets) {
  return R"({"a":{"dtype":"F32","shape":[4],"data_offsets":)" + offsets + "}}";
}
std::string two(const std::string& first, const std::string& second) {
  return R"({"a":{"dtype":"F32","shape":[2],"data_offsets":)" + first +
         R"(},"b":{"dtype":"F32","shape":[2],"data_offsets":)" + second + "}}";
}

const std::vector<Row> kRows = {
    // the header as a whole
    {"", "the header is empty, expected a JSON object"},
    {" {" + entry("a") + "}", "the header begins with \" \", expected {"},
    {"[]", "the header begins with \"[\", expected {"},
    {"\xef\xbb\xbf{}", "the header begins with \"\\ufffd\", expected {"},
    {"{" + entry("a"), "the header is no valid JSON at its byte"},
    {"{" + entry("a") + "}}", "the header is no valid JSON"},
    {"{" + entry("a") + "} {}", "the header is no valid JSON"},
    {"{" + entry("a") + "} // a comment", "the header is no valid JSON"},
    {"{" + entry("a") + ",}", "the header is no valid JSON"},
    {"{'a':1}", "the header is no valid JSON"},
    {"{" + entry("a") + "}" + std::string(1, '\0') + "hidden", "the header has a NUL at its byte 55"},
    {"{" + entry("a\xff") + "}", "the header is no valid JSON"},
    {"{" + entry("a\\ud800") + "}", "the header is no valid JSON"},
    {"{" + entry("a\x1b") + "}", "the header is no valid JSON"},
    {"{" + entry(std::string(500, 'a')), "unexpected end of input"},
    // names
    {"{" + entry("a") + "," + entry("a") + "}", "tensor \"a\": occurs twice"},
    {"{" + entry("a") + "," + entry("\\u0061") + "}", "tensor \"a\": occurs twice"},
    {"{" + entry(std::string(1001, 'x')) + "}", "has 1001 bytes, expected at most 1000"},
    {"{" + entry("a\\u0000b") + "}", "the name of tensor \"a\\u0000b\" has control characters"},
    {"{" + entry("a\\u001b[2J") + "}", "the name of tensor \"a\\u001b[2J\" has control characters"},
    {"{" + entry("a\x7f") + "}", "the name of tensor \"a\\u007f\" has control characters"},
    {"{" + entry("a\xc2\x9b") + "}", "the name of tensor \"a\\u009b\" has control characters"},
    // an entry's members
    {R"({"a":1})", "tensor \"a\": is 1, expected an object of dtype, shape and data_offsets"},
    {R"({"a":[]})", "tensor \"a\": is a list, expected an object"},
    {R"({"a":null})", "tensor \"a\": is null, expected an object"},
    {R"({"a":{}})", "tensor \"a\": has no dtype"},
    {R"({"a":{"dtype":"F32","data_offsets":[0,16]}})", "tensor \"a\": has no shape"},
    {R"({"a":{"dtype":"F32","shape":[4]}})", "tensor \"a\": has no data_offsets"},
    {R"({"a":{)" + kRest + R"(,"strides":[1]}})", "tensor \"a\": has \"strides\", expected only dtype, shape and"},
    {R"({"a":{)" + kRest + R"(,"dtype":"F32"}})", "tensor \"a\": dtype occurs twice"},
    {R"({"a":{)" + kRest + R"(,"shape":[4]}})", "tensor \"a\": shape occurs twice"},
    {R"({"a":{)" + kRest + R"(,"data_offsets":[0,16]}})", "tensor \"a\": data_offsets occurs twice"},
    // dtype
    {with_dtype("\"F31\""), "tensor \"a\": dtype is \"F31\", which the format does not have"},
    {with_dtype("\"f32\""), "tensor \"a\": dtype is \"f32\", which"},
    {with_dtype("\"\""), "tensor \"a\": dtype is \"\", which"},
    {with_dtype("32"), "tensor \"a\": dtype is 32, expected the name of a type"},
    {with_dtype("{\"a\":1}"), "tensor \"a\": dtype is an object, expected the name of a type"},
    {with_dtype("\"" + std::string(5000, 'F') + "\""), std::string(200, 'F') + "\"..., which"},
    // shape
    {with_shape("4"), "tensor \"a\": shape is 4, expected a list of whole numbers"},
    {with_shape("\"4\""), "tensor \"a\": shape is \"4\", expected a list of whole numbers"},
    {with_shape("[4,-1]"), "tensor \"a\": shape[1] is -1, expected a whole number from 0 to 2^63 - 1"},
    {with_shape("[-0]"), "tensor \"a\": shape[0] is -0, expected"},
    {with_shape("[4.0]"), "tensor \"a\": shape[0] is 4.0, expected"},
    {with_shape("[4e0]"), "tensor \"a\": shape[0] is 4e0, expected"},
    {with_shape("[true]"), "tensor \"a\": shape[0] is true, expected"},
    {with_shape("[null]"), "tensor \"a\": shape[0] is null, expected"},
    {with_shape("[\"4\"]"), "tensor \"a\": shape[0] is \"4\", expected"},
    {with_shape("[[4]]"), "tensor \"a\": shape[0] is a list, expected"},
    {with_shape("[{}]"), "tensor \"a\": shape[0] is an object, expected"},
    {with_shape("[9223372036854775808]"), "tensor \"a\": shape[0] is 9223372036854775808, expected"},
    {with_shape("[18446744073709551617]"), "tensor \"a\": shape[0] is 18446744073709551617, expected"},
    {with_shape("[1" + std::string(400, '0') + "]"), "the header is no valid JSON"},
    {with_shape("[4294967296,4294967296]"), "tensor \"a\": F32 [4294967296, 4294967296] is 2^60 bytes or more"},
    {with_shape("[4611686018427387904,4]"), "is 2^60 bytes or more"},
    {with_shape("[0,4611686018427387904,4]"), "is 2^60 bytes or more"},
    {with_shape(many_ones(65)), "tensor \"a\": shape has more than 64 dimensions"},
    {with_shape("[5]"), "tensor \"a\": data_offsets are [0, 16], 16 bytes, but F32 [5] takes 20"},
    {with_shape("[]"), "tensor \"a\": data_offsets are [0, 16], 16 bytes, but F32 [] takes 4"},
    {R"({"a":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}})",
     "F4 [3] is 2^60 bytes or more, a 0 not counted, or no whole number of bytes", 1},
    {R"({"a":{"dtype":"F6_E2M3","shape":[4],"data_offsets":[0,4]}})", "F6_E2M3 [4] takes 3", 4},
    // data_offsets
    {with_offsets("16"), "tensor \"a\": data_offsets is 16, expected a list of two whole numbers"},
    {with_offsets("[]"), "tensor \"a\": data_offsets has 0 entries, expected begin and end"},
    {with_offsets("[0]"), "tensor \"a\": data_offsets has 1 entries, expected begin and end"},
    {with_offsets("[0,16,16]"), "tensor \"a\": data_offsets has more than 2 entries"},
    {with_offsets("[16,0]"), "tensor \"a\": data_offsets are [16, 0]: the end lies before the begin"},
    {with_offsets("[-16,0]"), "tensor \"a\": data_offsets[0] is -16, expected"},
    {with_offsets("[0,16.5]"), "tensor \"a\": data_offsets[1] is 16.5, expected"},
    {with_offsets("[0,[16]]"), "tensor \"a\": data_offsets[1] is a list, expected"},
    {with_offsets("{\"begin\":0}"), "tensor \"a\": data_offsets is an object, expected"},
    {with_offsets("[0,8]"), "tensor \"a\": data_offsets are [0, 8], 8 bytes, but F32 [4] takes 16"},
    {with_offsets("[9223372036854775800,9223372036854775816]"), "data_offsets[1] is 9223372036854775816, expected"},
    {with_offsets("[9223372036854775791,9223372036854775807]"), "begins at byte 9223372036854775791 of the data, but"},
    // the tensors tile the data
    {with_offsets("[8,24]"), "tensor \"a\" begins at byte 8 of the data, but those before it end at byte 0: the bytes",
     24},
    {two("[0,8]", "[9,17]"), "\"b\" begins at byte 9 of the data, but those before it end at byte 8: the bytes between",
     17},
    {two("[0,8]", "[0,8]"), "\"b\" begins at byte 0 of the data, but those before it end at byte 8: they share bytes"},
    {two("[0,8]", "[4,12]"), "\"b\" begins at byte 4 of the data, but those before it end at byte 8: they share bytes",
     12},
    {two("[4,12]", "[0,8]"), "\"a\" begins at byte 4 of the data, but those before it end at byte 8: they share bytes",
     12},
    {R"({"a":{"dtype":"F32","shape":[0],"data_offsets":[4,4]},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
     "\"a\" begins at byte 4 of the data, but those before it end at byte 8: they share bytes", 8},
    {"{" + entry("a") + "}", "the tensors take 16 bytes, but only 15 follow the header: the file is cut short", 15},
    {"{" + entry("a") + "}", "the tensors take 16 bytes, but only 0 follow the header: the file is cut short", 0},
    {"{" + entry("a") + "}", "1 bytes follow the last tensor, expected none", 17},
    {"{}", "16 bytes follow the last tensor, expected none"},
    // metadata
    {R"({"__metadata__":null})", "__metadata__ is null, expected an object of texts"},
    {R"({"__metadata__":"text"})", "__metadata__ is \"text\", expected an object of texts"},
    {R"({"__metadata__":[]})", "__metadata__ is a list, expected an object of texts"},
    {R"({"__metadata__":{"k":1}})", "__metadata__: \"k\" is 1, expected a text"},
    {R"({"__metadata__":{"k":null}})", "__metadata__: \"k\" is null, expected a text"},
    {R"({"__metadata__":{"k":{}}})", "__metadata__: \"k\" is an object, expected a text"},
    {R"({"__metadata__":{"k":["a"]}})", "__metadata__: \"k\" is a list, expected a text"},
    {R"({"__metadata__":{"k":"a","k":"b"}})", "__metadata__: \"k\" occurs twice"},
    {R"({"__metadata__":{},"__metadata__":{}})", "__metadata__ occurs twice"},
    {R"({},"__metadata__":{}})", "the header is no valid JSON"},
};

TEST_F(HostileSafetensors, EveryLieOfAHeaderIsRefused) {
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.header.substr(0, 300));
    EXPECT_THAT(refusal(safetensors_file(row.header, std::string(row.data, 'x'))), HasSubstr(row.message));
  }
}

TEST_F(HostileSafetensors, WhatTheFormatAllowsIsNotRefused) {
  const std::vector<std::string> headers = {
      "{" + entry("a") + "}",
      "{" + entry("a") + "}        ",
      "{" + entry("") + "}",
      "{" + entry(std::string(1000, 'x')) + "}",
      "{ " + entry("\\u00e9\xe2\x82\xac \\\"") + "\n,\t\"__metadata__\" : {\"\":\"\\u0000\\n\"} }\n",
      R"({"b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
      R"({"z":{"data_offsets":[16,16],"shape":[3,0],"dtype":"BOOL"},"a":{"dtype":"I16","shape":[8,1],"data_offsets":[0,16]}})"};
  for (const std::string& header : headers) {
    SCOPED_TRACE(header.substr(0, 300));
    put_file(path, safetensors_file(header, std::string(16, 'x')));
    EXPECT_EQ(error_of([&] { SafetensorsFile::open(path); }), "no error");
  }
}

TEST_F(HostileSafetensors, DeepNestingIsRefusedAtItsSecondLevel) {
  const std::string deep(1'000'000, '[');
  EXPECT_THAT(refusal(safetensors_file("{\"a\":" + deep, "")), HasSubstr("tensor \"a\": is a list"));
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  EXPECT_THAT(refusal(safetensors_file(objects, "")), HasSubstr("tensor \"a\": has \"a\", expected only"));
}

TEST_F(HostileSafetensors, ALengthThatLiesIsRefusedBeforeItIsBelieved) {
  const std::string header = "{" + entry("a") + "}", data(16, 'x');
  EXPECT_THAT(refusal(""), HasSubstr("the file has 0 bytes, expected at least 8"));
  EXPECT_THAT(refusal("1234567"), HasSubstr("the file has 7 bytes, expected at least 8"));
  EXPECT_THAT(refusal(safetensors_file(header, data, 0)), HasSubstr("the header is empty"));
  EXPECT_THAT(refusal(safetensors_file(header, data, header.size() - 1)), HasSubstr("no valid JSON"));
  EXPECT_THAT(refusal(safetensors_file(header, data, header.size() + 1)), HasSubstr("no valid JSON"));
  const auto after = header.size() + data.size();
  EXPECT_THAT(refusal(safetensors_file(header, data, after + 1)),
              HasSubstr("the header claims " + std::to_string(after + 1) + " bytes, but the file ends after " +
                        std::to_string(after) + " of them"));
  EXPECT_THAT(refusal(safetensors_file(header, data, 100'000'000)), HasSubstr("but the file ends after"));
  for (const std::uint64_t claimed : {100'000'001ULL, 1ULL << 62, 1ULL << 63, ~0ULL})
    EXPECT_THAT(refusal(safetensors_file(header, data, claimed)),
                HasSubstr("the header claims " + std::to_string(claimed) + " bytes, expected at most 100000000"));
  // also in a file that is large enough, which takes no space on the disk
  put_file(path, safetensors_file(header, data, 100'000'001));
  fs::resize_file(path, 1LL << 40);
  EXPECT_THAT(error_of([&] { SafetensorsFile::open(path); }), HasSubstr("expected at most 100000000"));
}

TEST_F(HostileSafetensors, OtherFormatsAreToldWhatToDo) {
  put_file(path, "PK\x03\x04 a zip file, as PyTorch writes");
  EXPECT_THAT(error_of([&] { SafetensorsFile::open(path); }),
              HasSubstr(".pt and .bin files must be saved as safetensors"));
}

TEST_F(HostileSafetensors, TooManyTensorsOrMetadataAreRefused) {
  std::string header = "{";
  for (int i = 0; i < 100'000; ++i)
    header += (i > 0 ? ",\"" : "\"") + std::to_string(i) + R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  put_file(path, safetensors_file(header + "}", ""));
  EXPECT_EQ(SafetensorsFile::open(path).tensors().size(), 100'000U);
  EXPECT_THAT(refusal(safetensors_file(header + R"(,"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})", "")),
              HasSubstr("the file has more than 100000 tensors"));
  std::string metadata = R"({"__metadata__":{"x":"")";
  for (int i = 0; i < 100'000; ++i) metadata += ",\"" + std::to_string(i) + "\":\"\"";
  EXPECT_THAT(refusal(safetensors_file(metadata + "}}", "")), HasSubstr("__metadata__ has more than 100000 entries"));
}

TEST_F(HostileSafetensors, WhatIsNoFileIsRefused) {
  EXPECT_THAT(error_of([&] { SafetensorsFile::open(directory / "none"); }), StartsWith("66: "));
  EXPECT_THAT(error_of([&] { SafetensorsFile::open(directory / "none/deeper"); }), StartsWith("66: "));
  EXPECT_THAT(error_of([&] { SafetensorsFile::open(directory.path()); }), StartsWith("65: is a directory"));
  ASSERT_EQ(mkfifo((directory / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(error_of([&] { SafetensorsFile::open(directory / "pipe"); }), StartsWith("65: is not a regular file"));
  fs::create_symlink("none", directory / "dangling");
  EXPECT_THAT(error_of([&] { SafetensorsFile::open(directory / "dangling"); }), StartsWith("66: "));
  put_file(path, safetensors_file("{" + entry("a") + "}", std::string(16, 'x')));
  fs::create_symlink(path.filename(), directory / "link");
  EXPECT_EQ(stored_bytes(SafetensorsFile::open(directory / "link"), "a"), std::string(16, 'x'));
}

TEST_F(HostileSafetensors, AFileThatShrinksAfterItWasOpenedIsReported) {
  const std::string bytes = safetensors_file("{" + entry("a") + "}", std::string(16, 'x'));
  put_file(path, bytes);
  const SafetensorsFile file = SafetensorsFile::open(path);
  fs::resize_file(path, bytes.size() - 1);
  const std::string size = std::to_string(bytes.size() - 1), expected = std::to_string(bytes.size());
  EXPECT_THAT(error_of([&] { stored_bytes(file, "a"); }),
              StartsWith("65: tensor \"a\": the file ends at byte " + size + ", expected at least " + expected));
  EXPECT_THAT(error_of([&] { numbers<double>(file, "a"); }), StartsWith("65: tensor \"a\": the file ends at byte"));
}

std::string golden() { return file_text(source_folder() / "tests/checkpoint/golden/weights.safetensors"); }

TEST_F(HostileSafetensors, AFileCutAtAnyByteIsRefused) {
  const std::string whole = golden();
  ASSERT_GT(whole.size(), 600U);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    SCOPED_TRACE(size);
    refusal(whole.substr(0, size));
  }
  refusal(whole + '\0');
}

// Either nothing is opened, or what is opened agrees with itself and with the file.
bool opens_consistently(const fs::path& path) {
  const std::string said = error_of([&] {
    const SafetensorsFile file = SafetensorsFile::open(path);
    std::int64_t end = 0;
    std::set<std::string> names;
    for (const SafetensorsTensor& tensor : file.tensors()) {
      EXPECT_EQ(tensor.offset, end);
      EXPECT_TRUE(names.insert(tensor.name).second);
      EXPECT_LE(tensor.name.size(), 1000U);
      end += static_cast<std::int64_t>(stored_bytes(file, tensor.name).size());
      std::int64_t elements = 1;
      for (const std::int64_t size : tensor.shape) elements *= size;
      EXPECT_EQ(tensor.elements(), elements);
      EXPECT_EQ(tensor.bytes * 8, elements * dtype_bits(tensor.dtype));
    }
    std::uint64_t header = 0;
    std::memcpy(&header, file_text(path).data(), sizeof header);
    EXPECT_EQ(static_cast<std::uint64_t>(end) + 8 + header, fs::file_size(path));
  });
  EXPECT_THAT(said, AnyOf("no error", StartsWith("65: ")));
  return said == "no error";
}

TEST_F(HostileSafetensors, EveryFlippedBitOfAHeaderIsFoundOrHarmless) {
  const std::string whole = golden();
  const std::size_t header_end = whole.size() - 100;
  int opened = 0;
  for (std::size_t bit = 0; bit < header_end * 8; ++bit) {
    std::string bytes = whole;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    put_file(path, bytes);
    opened += opens_consistently(path);
  }
  EXPECT_GT(opened, 0);  // a letter of a name or of the metadata
}

TEST_F(HostileSafetensors, RandomBytesInAHeaderAreFoundOrHarmless) {
  const std::string whole = golden(), likely = std::string("{}[]\",:0123456789-.eE\\u_ FBIU\xff\xc2") + '\0';
  const std::size_t header_end = whole.size() - 100;
  std::mt19937 random(2019);
  for (int trial = 0; trial < 6000; ++trial) {
    std::string bytes = whole;
    for (std::uint32_t changes = 1 + random() % 4; changes > 0; --changes) {
      const std::size_t at = trial % 4 == 0 ? random() % header_end : 8 + random() % (header_end - 8);
      const char with = random() % 2 ? likely[random() % likely.size()] : static_cast<char>(random());
      switch (random() % 4) {
        case 0:
          bytes.erase(at, 1 + random() % 8);
          break;
        case 1:
          bytes.insert(at, 1 + random() % 3, with);
          break;
        default:
          bytes[at] = with;
      }
    }
    if (trial % 2 == 0) {  // with a length that agrees, so that the parser is reached
      const std::uint64_t header = bytes.size() - 108;
      std::memcpy(bytes.data(), &header, sizeof header);
    }
    put_file(path, bytes);
    opens_consistently(path);
  }
}

}  // namespace
}  // namespace trellis
