// Safetensors files: what is written is read again, numbers are converted as IEEE 754 has it, and files of the
// reference implementation (tests/checkpoint/golden/weights.py) are read and written byte for byte.
#include "weights/safetensors.h"

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <numeric>
#include <sys/resource.h>

#include "tests/source_folder.h"
#include "tests/weights/safetensors_helpers.h"
#include "weights/narrow_floats.h"

namespace trellis {
namespace {

using namespace testing_support;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr float kFloatInfinity = std::numeric_limits<float>::infinity();

using Shape = std::vector<std::int64_t>;

fs::path golden() { return source_folder() / "tests/checkpoint/golden/weights.safetensors"; }

TEST(Safetensors, ReadsTheReferenceImplementationsFile) {
  const SafetensorsFile file = SafetensorsFile::open(golden());
  EXPECT_EQ(file.metadata(), (SafetensorsMetadata{{"format", "golden"}}));
  EXPECT_THAT(file.tensors(), ElementsAre(SafetensorsTensor{"steps", SafetensorsDtype::i64, {2}, 0, 16},
                                          SafetensorsTensor{"layer.weight", SafetensorsDtype::f64, {2, 3}, 16, 48},
                                          SafetensorsTensor{"scale", SafetensorsDtype::f64, {}, 64, 8},
                                          SafetensorsTensor{"café \"\\/", SafetensorsDtype::f32, {1}, 72, 4},
                                          SafetensorsTensor{"empty", SafetensorsDtype::f32, {0, 4}, 76, 0},
                                          SafetensorsTensor{"layer.bias", SafetensorsDtype::f32, {3}, 76, 12},
                                          SafetensorsTensor{"brain", SafetensorsDtype::bf16, {1, 2}, 88, 4},
                                          SafetensorsTensor{"half", SafetensorsDtype::f16, {4}, 92, 8}));
  EXPECT_EQ(stored_bytes(file, "layer.weight"), bytes_of<double>({1, -0.0, 5e-324, kInfinity, 1.0 / 3, -1e308}));
  EXPECT_EQ(stored_bytes(file, "steps"), bytes_of<std::int64_t>({7, -7}));
  EXPECT_EQ(bytes_of(numbers<double>(file, "layer.weight")), stored_bytes(file, "layer.weight"));
  EXPECT_EQ(bytes_of(numbers<float>(file, "layer.weight")),
            bytes_of<float>({1, -0.0F, 0, kFloatInfinity, 1.0F / 3, -kFloatInfinity}));
  EXPECT_THAT(numbers<float>(file, "layer.bias"), ElementsAre(0.1F, 0x1p-149F, -kFloatInfinity));
  EXPECT_THAT(numbers<double>(file, "layer.bias"), ElementsAre(double{0.1F}, 0x1p-149, -kInfinity));
  EXPECT_THAT(numbers<double>(file, "scale"), ElementsAre(-2.5));
  EXPECT_THAT(numbers<double>(file, "brain"), ElementsAre(1, -0x1p-133));
  EXPECT_THAT(numbers<double>(file, "half"), ElementsAre(1, 0x1p-24, -kInfinity, testing::IsNan()));
  EXPECT_THAT(numbers<float>(file, "empty"), ElementsAre());
  EXPECT_THAT(numbers<float>(file, "café \"\\/"), ElementsAre(8));
}

// The file's tensors in the order of their names, as a writer takes them. The bytes live in `kept`.
std::vector<SafetensorsSource> sources_of(const SafetensorsFile& file, std::vector<std::string>& kept) {
  std::vector<SafetensorsSource> sources;
  for (const SafetensorsTensor& tensor : file.tensors()) kept.push_back(stored_bytes(file, tensor.name));
  for (std::size_t t = 0; t < kept.size(); ++t) {
    const SafetensorsTensor& tensor = file.tensors()[t];
    sources.push_back({tensor.name, tensor.dtype, tensor.shape, kept[t].data()});
  }
  std::ranges::sort(sources, {}, &SafetensorsSource::name);
  return sources;
}

TEST(Safetensors, WritesTheReferenceImplementationsBytesWhateverOrderIsGiven) {
  const TemporaryDirectory directory;
  const SafetensorsFile file = SafetensorsFile::open(golden());
  std::vector<std::string> kept;
  std::vector<SafetensorsSource> sources = sources_of(file, kept);
  for (int trial = 0; trial < 2; ++trial) {
    const fs::path copy = directory / std::to_string(trial);
    write_safetensors(copy, sources, file.metadata());
    EXPECT_EQ(file_text(copy), file_text(golden()));
    std::ranges::reverse(sources);
  }
}

TEST(Safetensors, NothingIsAFileToo) {
  const TemporaryDirectory directory;
  write_safetensors(directory / "nothing", {});
  EXPECT_EQ(file_text(directory / "nothing"), safetensors_file("{}      ", ""));
  const SafetensorsFile file = SafetensorsFile::open(directory / "nothing");
  EXPECT_TRUE(file.tensors().empty());
  EXPECT_TRUE(file.metadata().empty());
}

TEST(Safetensors, EveryTypeComesBackAsItWas) {
  const TemporaryDirectory directory;
  const std::string data = "0123456789abcdefghijklmnopqrstuv";  // 32 bytes: 4 elements of the largest type
  std::vector<SafetensorsSource> sources;
  for (const char* name : {"BOOL",    "F4",          "F6_E2M3",     "F6_E3M2", "U8",  "I8",  "F8_E5M2", "F8_E4M3",
                           "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "I16",     "U16", "F16", "BF16",    "I32",
                           "U32",     "F32",         "C64",         "F64",     "I64", "U64"}) {
    const auto dtype = safetensors_dtype_named(name);
    ASSERT_TRUE(dtype) << name;
    EXPECT_EQ(dtype_name(*dtype), name);
    sources.push_back({std::string("of ") + name, *dtype, {2, 1, 2}, data.data()});
  }
  write_safetensors(directory / "all", sources, {{"a", "line\nbreak"}, {"b", ""}});
  const SafetensorsFile file = SafetensorsFile::open(directory / "all");
  EXPECT_EQ(file.metadata(), (SafetensorsMetadata{{"a", "line\nbreak"}, {"b", ""}}));
  ASSERT_EQ(file.tensors().size(), sources.size());
  EXPECT_EQ(file.tensors().front().name, "of U64");
  for (const SafetensorsSource& source : sources) {
    const SafetensorsTensor& tensor = file.tensor(source.name);
    EXPECT_EQ(tensor.elements(), 4) << source.name;
    EXPECT_EQ(tensor.bytes * 8, 4 * dtype_bits(source.dtype)) << source.name;
    EXPECT_EQ(stored_bytes(file, source.name), data.substr(0, static_cast<std::size_t>(tensor.bytes))) << source.name;
  }
}

TEST(Safetensors, ALargeTensorIsAskedForInChunksAndConvertedInChunks) {
  const TemporaryDirectory directory;
  const std::int64_t count = 600'001;  // 4.8 MB of float64
  std::int64_t next = 0;
  const FillChunk fill = [&](std::int64_t offset, std::span<std::byte> chunk) {
    EXPECT_EQ(offset, next);
    EXPECT_EQ(offset % 8, 0);
    EXPECT_EQ(chunk.size() % 8, 0U);
    next = offset + static_cast<std::int64_t>(chunk.size());
    std::vector<double> part(chunk.size() / 8);
    std::iota(part.begin(), part.end(), static_cast<double>(offset / 8));
    std::memcpy(chunk.data(), part.data(), chunk.size());
  };
  const std::vector<SafetensorsSource> sources = {{"large", SafetensorsDtype::f64, {count}, fill},
                                                  {"none", SafetensorsDtype::f64, {0}, fill}};
  write_safetensors(directory / "large", sources);
  EXPECT_EQ(next, count * 8);
  const auto read = numbers<float>(SafetensorsFile::open(directory / "large"), "large");
  for (std::int64_t i = 0; i < count; ++i) ASSERT_EQ(read[static_cast<std::size_t>(i)], static_cast<float>(i));
}

// What 16 bits mean by the formats' definitions, in plain arithmetic: `fraction_bits` of fraction, the rest of 15 of
// exponent.
double meaning(std::uint16_t bits, int fraction_bits) {
  const int exponent_bits = 15 - fraction_bits, largest = (1 << exponent_bits) - 1, bias = largest / 2;
  const int exponent = (bits >> fraction_bits) & largest, fraction = bits & ((1 << fraction_bits) - 1);
  const double sign = (bits & 0x8000) != 0 ? -1 : 1;
  if (exponent == largest) return std::copysign(fraction == 0 ? kInfinity : std::nan(""), sign);
  const double significand = std::ldexp(fraction, -fraction_bits) + (exponent == 0 ? 0 : 1);
  return sign * std::ldexp(significand, std::max(exponent, 1) - bias);
}

template <class Number>
void expect_meaning(const std::vector<Number>& read, int fraction_bits) {
  ASSERT_EQ(read.size(), 65'536U);
  for (std::size_t bits = 0; bits < read.size(); ++bits) {
    const double expected = meaning(static_cast<std::uint16_t>(bits), fraction_bits);
    const auto found = static_cast<double>(read[bits]);
    ASSERT_EQ(std::signbit(found), std::signbit(expected)) << std::hex << bits;
    if (std::isnan(expected))
      ASSERT_TRUE(std::isnan(found)) << std::hex << bits;
    else
      ASSERT_EQ(found, expected) << std::hex << bits;
  }
}

TEST(Safetensors, EveryBitPatternOfF16AndBf16MeansWhatItsFormatSays) {
  const TemporaryDirectory directory;
  std::vector<std::uint16_t> patterns(65'536);
  std::iota(patterns.begin(), patterns.end(), 0);
  const std::vector<SafetensorsSource> sources = {{"half", SafetensorsDtype::f16, {256, 256}, patterns.data()},
                                                  {"brain", SafetensorsDtype::bf16, {65'536}, patterns.data()}};
  write_safetensors(directory / "patterns", sources);
  const SafetensorsFile file = SafetensorsFile::open(directory / "patterns");
  expect_meaning(numbers<double>(file, "half"), 10);
  expect_meaning(numbers<float>(file, "half"), 10);
  expect_meaning(numbers<double>(file, "brain"), 7);
  expect_meaning(numbers<float>(file, "brain"), 7);
  // a NaN keeps its payload and is quiet afterwards
  EXPECT_EQ(std::bit_cast<std::uint32_t>(checkpoint::float_of_f16(0xfc01)), 0xffc02000U);
  EXPECT_EQ(std::bit_cast<std::uint32_t>(checkpoint::float_of_f16(0x7e03)), 0x7fc06000U);
  EXPECT_EQ(std::bit_cast<std::uint32_t>(checkpoint::float_of_bf16(0x7f81)), 0x7fc10000U);
}

TEST(Safetensors, F64IsRoundedToTheNearestFloatAndF32IsExactInDouble) {
  const TemporaryDirectory directory;
  const double largest = std::numeric_limits<float>::max(), quiet = std::nan("");
  const std::vector<double> wide = {
      1 + 0x1p-24, 1 + 0x3p-24, 1 + 0x1.8p-24, largest, largest + 0x1p102, largest + 0x1p103, -1e300, 0x1p-149,
      0x1p-150,    0x1.8p-150,  -0x1p-151,     -0.0,    kInfinity,         -kInfinity,        0.1,    quiet};
  const std::vector<float> narrow = {0.1F, -0.0F, 0x1p-149F, std::numeric_limits<float>::max(), -kFloatInfinity};
  const std::vector<std::uint32_t> signalling = {0x7f800001U, 0xffbfffffU};
  const std::vector<SafetensorsSource> sources = {{"wide", SafetensorsDtype::f64, {16}, wide.data()},
                                                  {"narrow", SafetensorsDtype::f32, {5}, narrow.data()},
                                                  {"signalling", SafetensorsDtype::f32, {2}, signalling.data()}};
  write_safetensors(directory / "numbers", sources);
  const SafetensorsFile file = SafetensorsFile::open(directory / "numbers");
  std::vector<float> rounded = numbers<float>(file, "wide");
  EXPECT_TRUE(std::isnan(rounded.back()));
  rounded.pop_back();
  const auto most = std::numeric_limits<float>::max();
  EXPECT_EQ(bytes_of(rounded),
            bytes_of<float>({1, 1 + 0x1p-22F, 1 + 0x1p-23F, most, most, kFloatInfinity, -kFloatInfinity, 0x1p-149F, 0,
                             0x1p-149F, -0.0F, -0.0F, kFloatInfinity, -kFloatInfinity, 0.1F}));
  EXPECT_EQ(bytes_of(numbers<double>(file, "wide")), bytes_of(wide));
  EXPECT_EQ(bytes_of(numbers<double>(file, "narrow")),
            bytes_of<double>({double{0.1F}, -0.0, 0x1p-149, largest, -kInfinity}));
  EXPECT_EQ(bytes_of(numbers<float>(file, "signalling")), bytes_of(signalling));  // no conversion: not a bit changes
}

TEST(Safetensors, OtherTypesOpenButAreNotConverted) {
  const SafetensorsFile file = SafetensorsFile::open(golden());
  std::vector<double> into(2);
  const std::string said = error_of([&] { file.read("steps", std::span(into)); });
  EXPECT_THAT(said, StartsWith("65: tensor \"steps\" is of type I64, expected F64, F32, F16 or BF16\n  where: "));
  EXPECT_THAT(said, HasSubstr("weights.safetensors\n  fix: "));
  EXPECT_THAT(error_of([&] { file.read("stops", std::span(into)); }),
              StartsWith("65: the file holds no tensor \"stops\" among its 8\n"));
  EXPECT_FALSE(file.contains("stops"));
  EXPECT_TRUE(file.contains("steps"));
}

TEST(Safetensors, MemoryOfAnotherSizeIsAFaultOfTheProgram) {
  const SafetensorsFile file = SafetensorsFile::open(golden());
  std::vector<double> into(3);
  EXPECT_THAT(error_of([&] { file.read("scale", std::span(into)); }),
              StartsWith("70: tensor \"scale\" has 1 elements, but memory for 3 was given"));
  EXPECT_THAT(error_of([&] { file.read("scale", std::as_writable_bytes(std::span(into))); }),
              StartsWith("70: tensor \"scale\" has 8 bytes, but memory for 24 was given"));
}

// --- writing ---

const std::vector<double> kElements = {1, 2, 3, 4};

std::vector<SafetensorsSource> one(const std::string& name, const Shape& shape = {4}) {
  return {{name, SafetensorsDtype::f64, shape, kElements.data()}};
}

TEST(SafetensorsWriter, NeverReplacesWhatIsThere) {
  const TemporaryDirectory directory;
  put_file(directory / "file", "x");
  fs::create_symlink("nowhere", directory / "dangling");
  fs::create_directory(directory / "folder");
  for (const char* name : {"file", "dangling", "folder", "folder/", "."})
    EXPECT_THAT(error_of([&] { write_safetensors(directory / name, one("a")); }),
                StartsWith("73: the output exists already\n"))
        << name;
  // somebody is faster: the file is there when ours is finished
  const FillChunk slow = [&](std::int64_t, std::span<std::byte> chunk) {
    std::ranges::fill(chunk, std::byte{1});
    put_file(directory / "late", "theirs");
  };
  const std::vector<SafetensorsSource> sources = {{"a", SafetensorsDtype::f64, {4}, slow}};
  EXPECT_THAT(error_of([&] { write_safetensors(directory / "late", sources); }), StartsWith("73: "));
  EXPECT_EQ(file_text(directory / "late"), "theirs");
  EXPECT_EQ(file_text(directory / "file"), "x");
  EXPECT_EQ(std::distance(fs::directory_iterator(directory.path()), {}), 4);
}

TEST(SafetensorsWriter, SaysWhyItCannotWrite) {
  const TemporaryDirectory directory;
  EXPECT_THAT(error_of([&] { write_safetensors(directory / "none/a", one("a")); }),
              testing::AllOf(StartsWith("74: there is no such folder"), HasSubstr("none\n  fix: ")));
  EXPECT_THAT(error_of([&] { write_safetensors(directory / "none/", one("a")); }), StartsWith("74: "));
  EXPECT_THAT(error_of([&] { write_safetensors("/proc/weights", one("a")); }),
              testing::AllOf(StartsWith("74: cannot create this file: "), HasSubstr("where: ")));
  EXPECT_EQ(std::distance(fs::directory_iterator(directory.path()), {}), 0);
}

// A limit on file sizes stops a write at any chosen byte, as a full disk does.
TEST(SafetensorsWriter, AWriteThatFailsAtAnyByteLeavesNothing) {
  const TemporaryDirectory directory;
  const fs::path whole = directory / "whole";
  write_safetensors(whole, one("a"));
  const auto size = static_cast<rlim_t>(fs::file_size(whole));
  fs::remove(whole);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  for (rlim_t limit = 0; limit < size; ++limit) {
    const rlimit tight{limit, old.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
    const std::string said = error_of([&] { write_safetensors(whole, one("a")); });
    setrlimit(RLIMIT_FSIZE, &old);
    ASSERT_THAT(said, StartsWith("74: cannot write this file: File too large\n  where: " + whole.string() + "\n"));
    ASSERT_EQ(std::distance(fs::directory_iterator(directory.path()), {}), 0) << limit;
  }
  std::signal(SIGXFSZ, old_handler);
  write_safetensors(whole, one("a"));
  EXPECT_EQ(fs::file_size(whole), size);
}

TEST(SafetensorsWriter, LeavesNothingWhenAChunkCannotBeMade) {
  const TemporaryDirectory directory;
  const FillChunk fails = [](std::int64_t, std::span<std::byte>) { throw DataError("no such row", "", ""); };
  const std::vector<SafetensorsSource> sources = {{"a", SafetensorsDtype::f64, {4}, fails}};
  EXPECT_THAT(error_of([&] { write_safetensors(directory / "a", sources); }), StartsWith("65: no such row"));
  EXPECT_EQ(std::distance(fs::directory_iterator(directory.path()), {}), 0);
}

TEST(SafetensorsWriter, RemovesWhatKilledProcessesLeftButNotWhatIsInUse) {
  const TemporaryDirectory directory;
  put_file(directory / ".tmp-a-0123456789abcdef", "left by a killed process");
  put_file(directory / ".tmp-b-0123456789abcdef", "of another place");
  const FillChunk nested = [&](std::int64_t, std::span<std::byte> chunk) {
    std::ranges::fill(chunk, std::byte{1});
    if (!fs::exists(directory / "a")) write_safetensors(directory / "a", one("inner"));
  };
  const std::vector<SafetensorsSource> sources = {{"outer", SafetensorsDtype::f64, {4}, nested}};
  // the outer file is unfinished while the inner one is written for the same place: it must survive that, and come late
  EXPECT_THAT(error_of([&] { write_safetensors(directory / "a", sources); }), StartsWith("73: "));
  EXPECT_TRUE(SafetensorsFile::open(directory / "a").contains("inner"));
  EXPECT_FALSE(fs::exists(directory / ".tmp-a-0123456789abcdef"));
  EXPECT_TRUE(fs::exists(directory / ".tmp-b-0123456789abcdef"));
  EXPECT_EQ(std::distance(fs::directory_iterator(directory.path()), {}), 2);
}

TEST(SafetensorsWriter, RefusesWhatTheReaderWouldRefuse) {
  const TemporaryDirectory directory;
  const auto refusal = [&](const std::vector<SafetensorsSource>& sources, const SafetensorsMetadata& metadata = {}) {
    return error_of([&] { write_safetensors(directory / "a", sources, metadata); });
  };
  EXPECT_THAT(refusal({one("a")[0], one("a")[0]}),
              StartsWith("70: no safetensors file can hold this: tensor \"a\": occurs twice\n"));
  EXPECT_THAT(refusal(one("a\nb")), HasSubstr("control characters"));
  EXPECT_THAT(refusal(one(std::string(1001, 'a'))), HasSubstr("has 1001 bytes"));
  EXPECT_THAT(refusal(one("__metadata__")), StartsWith("70: "));
  EXPECT_THAT(refusal(one("a", {-1})), HasSubstr("the shape of tensor \"a\""));
  EXPECT_THAT(refusal(one("a", {1LL << 40, 1LL << 40})), HasSubstr("the shape of tensor \"a\""));
  EXPECT_THAT(refusal({{"a", SafetensorsDtype::f4, {3}, kElements.data()}}), HasSubstr("the shape of tensor \"a\""));
  EXPECT_THAT(refusal({{"a", SafetensorsDtype::f64, {4}, nullptr}}), StartsWith("70: "));
  EXPECT_THAT(refusal(one("a\xff")), StartsWith("65: a tensor's name or the metadata is no UTF-8"));
  EXPECT_THAT(refusal(one("a"), {{"k", "\xff"}}), StartsWith("65: a tensor's name or the metadata is no UTF-8"));
  EXPECT_EQ(std::distance(fs::directory_iterator(directory.path()), {}), 0);
}

// --- files of the published implementation ---

using NamesAndShapes = std::map<std::string, Shape>;

// A trellis network's own tensors, which every file holds twice under other names: full kernels, or their direction and
// magnitude.
void add_kernels(NamesAndShapes& expected, std::int64_t gates, bool weight_norm) {
  for (const std::string prefix : {"tnet.module.full_conv.", "network.0.module.full_conv."}) {
    const std::string v = weight_norm ? "_v_raw" : "_raw";
    expected[prefix + "weight1" + v] = {gates, 12, 2};
    expected[prefix + "weight2" + v] = {gates, gates / 4, 2};
    expected[prefix + "bias2"] = {gates};
    if (weight_norm) expected[prefix + "weight1_g"] = expected[prefix + "weight2_g"] = {gates, 1, 1};
  }
}

TEST(Safetensors, OpensThePublishedNetworksWhereTheyAre) {
  const char* const folder = std::getenv("TRELLIS_PARITY_DATA");
  if (folder == nullptr) {
    std::puts(
        "TRELLIS_PARITY_DATA is not set: the published networks' files are left out, the golden file stands for them");
    return;
  }
  NamesAndShapes softmax = {{"encoder.weight", {40, 12}}, {"decoder.weight", {40, 12}}, {"decoder.bias", {40}}};
  NamesAndShapes mixture = softmax;
  NamesAndShapes adaptive = {{"encoder.weight", {53, 12}},
                             {"decoder.weight", {53, 12}},
                             {"decoder.bias", {53}},
                             {"criterion.tail_vectors", {3, 12}},
                             {"criterion.tail_bias", {3}}};
  add_kernels(softmax, 80, true);
  add_kernels(adaptive, 80, true);
  add_kernels(mixture, 96, false);
  for (const std::string prefix : {"mixsoft.", "network.1."}) {
    mixture[prefix + "prior.weight"] = {3, 16};
    mixture[prefix + "prior.bias"] = {3};
    mixture[prefix + "latent.weight"] = {36, 16};
    mixture[prefix + "latent.bias"] = {36};
    mixture[prefix + "decoder.weight"] = {40, 12};
    mixture[prefix + "decoder.bias"] = {40};
  }
  const TemporaryDirectory directory;
  for (const auto& [name, expected] : std::map<std::string, NamesAndShapes>{
           {"published_softmax", softmax}, {"published_adaptive", adaptive}, {"published_mixture", mixture}}) {
    const fs::path path = fs::path(folder) / (name + ".safetensors");
    const SafetensorsFile file = SafetensorsFile::open(path);
    NamesAndShapes found;
    for (const SafetensorsTensor& tensor : file.tensors()) {
      found[tensor.name] = tensor.shape;
      EXPECT_EQ(tensor.dtype, SafetensorsDtype::f64) << tensor.name;
      const auto values = numbers<double>(file, tensor.name);
      EXPECT_TRUE(std::ranges::all_of(values, [](double value) { return std::isfinite(value); })) << tensor.name;
    }
    EXPECT_EQ(found, expected) << name;
    std::vector<std::string> kept;
    write_safetensors(directory / name, sources_of(file, kept), file.metadata());
    EXPECT_EQ(file_text(directory / name), file_text(path)) << name;
  }
}

}  // namespace
}  // namespace trellis
