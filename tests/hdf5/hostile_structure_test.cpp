// HDF5 structures that somebody made to break a reader: files of our own and of h5py with one thing changed, and all
// checksums right, so that what refuses is the check of that thing. None of them may reach libhdf5, which crashes on
// some of their kind.
#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>

#include "corpus/vocabulary.h"
#include "hdf5/flat_file.h"
#include "tests/corpus/corpus_fixture.h"
#include "tests/hdf5/hdf5_calls.h"
#include "tests/hdf5/hdf5_layout.h"
#include "tests/source_folder.h"

namespace trellis {
namespace {

using namespace testing_support;
using namespace std::string_view_literals;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::uint64_t kHuge = std::uint64_t{1} << 62, kSelf = 48;  // a root group's header lies behind the superblock

// What the files below are made from, as our writers and h5py make them.
std::string written(std::vector<FlatDataset> datasets, const FlatAttributes& attributes) {
  const TemporaryDirectory directory;
  create_flat_file(directory / "file.h5", datasets, attributes);
  return file_text(directory / "file.h5");
}
const std::string& shard() {
  static const std::string bytes =
      written({{"tokens", Element::u32, 10}},
              {{"format", "trellis-shard"}, {"format_version", "1"}, {"vocabulary_hash", std::string(32, '0')}});
  return bytes;
}
const std::string& images() {
  static const std::string bytes =
      written({{"pixels", Element::u8, 4, 0, {5, 3}}, {"labels", Element::u8, 4}}, {{"classes", "10"}});
  return bytes;
}
const std::string& wide() {  // 60 links: a heap of several blocks, an index of two levels
  static const std::string bytes = [] {
    std::vector<FlatDataset> datasets;
    for (int i = 0; i < 60; ++i) datasets.push_back({fmt::format("dataset_{:02}", i), Element::u64, 2});
    return written(datasets, {});
  }();
  return bytes;
}
const std::string& old() {  // HDF5's earliest format, with groups and a string in a heap
  static const std::string bytes = file_text(source_folder() / "tests" / "parity" / "plain.h5");
  return bytes;
}

struct Hostile {
  std::string name, bytes, expected;
};

class Collection {
 public:
  using Change = std::function<void(std::string&)>;

  void add(const std::string& name, const std::string& base, const std::string& expected, const Change& change) {
    std::string bytes = base;
    change(bytes);
    all.push_back({name, sealed(std::move(bytes), scratch_), expected});
  }
  // A number of `width` bytes at a place, one case a value. `expected` is empty where any refusal is right.
  void number(const std::string& name, const std::string& base, std::size_t at, int width,
              std::initializer_list<std::uint64_t> values, const std::string& expected) {
    for (const std::uint64_t value : values)
      add(fmt::format("{} = {:#x}", name, value), base, expected,
          [&](std::string& bytes) { put_number(bytes, at, value, width); });
  }

  std::vector<Hostile> all;

 private:
  ScratchFile scratch_;
};

void superblocks(Collection& c) {
  const std::string& base = shard();
  c.number("version", base, 8, 1, {1, 3, 4, 255}, "superblock has version");
  c.number("size of addresses", base, 9, 1, {0, 2, 4, 16, 255}, "the size of addresses is");
  c.number("size of lengths", base, 10, 1, {0, 4, 255}, "the size of lengths is");
  c.number("flags", base, 11, 1, {1, 4, 255}, "the superblock's flags is");
  c.number("base address", base, 12, 8, {1, 512, kHuge}, "the base address is");
  c.number("extension", base, 20, 8, {0, kSelf, base.size()}, "the address of a superblock extension is");
  c.number("end of file", base, 28, 8, {0, base.size() - 1, base.size() + 1, kHuge, kHdf5Nowhere},
           "says that it ends at byte");
  c.number("root", base, 36, 8, {0, 8}, "expected 1");  // read as a header of version 1
  c.number("root", base, 36, 8, {base.size(), kHuge, kHdf5Nowhere}, "lies outside the file");
  c.add("text in front", base, "does not begin with HDF5's signature",
        [](std::string& bytes) { bytes.insert(0, 512, ' '); });
  c.add("a byte behind the end", base, "says that it ends at byte", [](std::string& bytes) { bytes += 'x'; });
  c.add("cut", base, "says that it ends at byte", [](std::string& bytes) { bytes.pop_back(); });
  c.add("only a superblock", base, "lies outside the file", [](std::string& bytes) {
    bytes.resize(48);
    put_number(bytes, 28, 48, 8);
  });
  c.add("empty", base, "too short", [](std::string& bytes) { bytes.clear(); });
  const std::string& early = old();
  c.number("early: other versions", early, 9, 3, {1, 0x10000}, "the versions of other structures is");
  c.number("early: size of addresses", early, 13, 1, {0, 4, 255}, "the size of addresses is");
  c.number("early: half the symbols", early, 16, 2, {0, 5, 65535}, "half the symbols of a table is");
  c.number("early: half the children", early, 18, 2, {0, 17, 65535}, "half the children of a node is");
  c.number("early: flags", early, 20, 4, {1}, "the superblock's flags is");
  c.number("early: driver", early, 48, 8, {0, 96}, "the address of driver information is");
  c.number("early: root", early, 64, 8, {kHuge, kHdf5Nowhere}, "lies outside the file");
  c.number("early: kind of root", early, 72, 4, {2}, "is a soft link");
  c.number("early: kind of root", early, 72, 4, {3, ~0U}, "is a symbol of unknown kind");
  c.number("early: tree of root", early, 80, 8, {0, 680, kHuge}, "keeps its members elsewhere");
}

void object_headers(Collection& c) {
  const std::string& base = shard();
  const std::size_t dataset = block_of(base, "OHDR", 1);
  c.number("version", base, kSelf + 4, 1, {0, 1, 3}, "an object header's version is");
  c.number("flags", base, kSelf + 5, 1, {4, 8, 0x10, 0x40, 0x80}, "an object header's flags are");
  c.number("size", base, kSelf + 6, 1, {255}, "");
  const MessagePlace more = message_of(base, kSelf, 0x10);
  c.number("continuation", base, more.body, 8, {kSelf}, "shares some with an object header");
  c.number("continuation", base, more.body, 8, {0, 20}, "shares some with");
  c.number("continuation", base, more.body, 8, {base.size() - 1, base.size(), kHuge, kHdf5Nowhere},
           "lies outside the file");
  c.number("size of continuation", base, more.body + 8, 8, {0, 7}, "has only");
  c.number("size of continuation", base, more.body + 8, 8, {kHuge, kHdf5Nowhere, 1 << 21}, "at most 1048576 are read");
  c.number("size of continuation", base, more.body + 8, 8, {base.size()}, "lies outside the file");
  c.add("a continuation of itself", base, "shares some with an object header's continuation", [&](std::string& bytes) {
    const std::size_t chunk = number_at(bytes, more.body, 8), first = chunk + 4;
    put_number(bytes, first, 0x10, 1);  // in place of the group's link info
    put_number(bytes, first + 4, chunk, 8);
    put_number(bytes, first + 12, number_at(bytes, more.body + 8, 8), 8);
  });
  c.add("a continuation without signature", base, "does not begin with OCHK",
        [&](std::string& bytes) { put_number(bytes, number_at(bytes, more.body, 8), 0, 4); });
  const MessagePlace filler = message_of(base, dataset, 0x00);
  for (const int type : {0x04, 0x09, 0x0d, 0x0e, 0x0f, 0x13, 0x14, 0x16, 0x17, 0x18, 0x19, 0x7f, 0xff})
    c.number(fmt::format("message {:#x}", type), base, filler.head, 1, {static_cast<std::uint64_t>(type)},
             "has a message of type");
  c.number("message: external files", base, filler.head, 1, {0x07}, "keeps its data in another file");
  c.number("message: filters", base, filler.head, 1, {0x0b}, "is filtered");
  c.number("message: twice a dataspace", base, filler.head, 1, {0x01, 0x03, 0x05, 0x08}, "has two messages of type");
  c.number("message: group", base, filler.head, 1, {0x02}, "is a group and something else");
  c.number("message: group", base, filler.head, 1, {0x11}, "is a group and something else");
  c.number("message: attribute of a dataset", base, filler.head, 1, {0x0c}, "has attributes");
  c.number("message size", base, filler.head + 1, 2, {65535}, "a message has 65535 bytes, but only");
  for (const int type : {0x01, 0x03, 0x08})
    c.number(fmt::format("shared message {:#x}", type), base, message_of(base, dataset, type).head + 3, 1, {2, 3},
             "it is shared");
  c.number("message that must be understood", base, filler.head + 3, 1, {8, 0x80}, "has flags");
  c.number("dataset without layout", base, message_of(base, dataset, 0x08).head, 1, {0}, "is not a dataset");
  c.number("root without links", base, message_of(base, kSelf, 0x02).head, 1, {0}, "the root is no group");
  c.add("a flood of empty messages", base, "more than 4096 messages", [](std::string& bytes) {
    const std::size_t at = bytes.size(), messages = 70'000;
    bytes.append("OCHK").append(messages * 4, '\0').append(4, '\0');
    const MessagePlace continuation = message_of(bytes, kSelf, 0x10);
    put_number(bytes, continuation.body, at, 8);
    put_number(bytes, continuation.body + 8, bytes.size() - at, 8);
    put_number(bytes, 28, bytes.size(), 8);
  });

  const std::string& early = old();
  const std::size_t root = 96, inner = 0x380;  // inner: the first group's first dataset
  c.number("early: version", early, root, 1, {0, 2, 255}, "an object header's version is");
  c.number("early: reserved", early, root + 1, 1, {1}, "a reserved byte is");
  c.number("early: number of messages", early, root + 2, 2, {0, 2, 4, 65535},
           "an object header has 3 messages, expected");
  c.number("early: names", early, root + 4, 4, {0, 2, ~0U}, "the number of names that lead to an object is");
  c.number("early: size", early, root + 8, 4, {~0U}, "at most 1048576 are read");
  c.number("early: size", early, root + 8, 4, {48}, "");
  c.number("early: size", early, root + 8, 4, {20}, "but only");
  const MessagePlace early_more = message_of(early, root, 0x10);
  c.number("early: continuation", early, early_more.body, 8, {root, root + 16}, "shares some with an object header");
  c.number("early: continuation", early, early_more.body, 8, {kHuge, kHdf5Nowhere}, "lies outside the file");
  c.number("early: size of continuation", early, early_more.body + 8, 8, {0}, "is empty");
  c.number("early: size of message", early, message_of(early, inner, 0x01).head + 2, 2, {39},
           "expected a multiple of 8");
  c.number("early: size of message", early, message_of(early, inner, 0x01).head + 2, 2, {65528}, "but only");
  c.number("early: shared message", early, message_of(early, inner, 0x03).head + 4, 1, {2, 3}, "it is shared");
  c.number("early: shared table message", early, message_of(early, inner, 0x00).head, 2, {0x0f},
           "has a message of type");
}

void datasets(Collection& c) {
  for (const std::string* base : {&shard(), &old()}) {
    const bool early = base == &old();
    const std::size_t header = early ? 0x380 : block_of(*base, "OHDR", 1);
    const std::string name = early ? "early: " : "";
    const std::size_t space = message_of(*base, header, 0x01).body, type = message_of(*base, header, 0x03).body,
                      layout = message_of(*base, header, 0x08).body, fill = message_of(*base, header, 0x05).body,
                      dimension = space + (early ? 8 : 4);
    c.number(name + "version of space", *base, space, 1, {0, 3, 255}, "a dataspace has version");
    c.number(name + "rank", *base, space + 1, 1, {33, 255}, "at most 32 exist");
    c.number(name + "rank", *base, space + 1, 1, {32}, "but only");
    c.number(name + "rank", *base, space + 1, 1, {0}, early ? "goes on for" : "the kind of a dataspace");
    c.number(name + "flags of space", *base, space + 2, 1, {2, 3, 255}, "a dataspace's flags are");
    c.number(name + "dimension", *base, dimension, 8, {0}, "the dataset holds nothing");
    c.add(name + "largest dimension", *base, "has room to grow",
          [&](std::string& bytes) { put_number(bytes, dimension + (early ? 16 : 8), kHdf5Nowhere, 8); });
    for (const std::uint64_t size : {std::uint64_t{1} << 30, kHuge, kHuge << 1, kHdf5Nowhere, kHuge + 10})
      c.add(fmt::format("{}{} elements", name, size), *base, "elements at byte", [&](std::string& bytes) {
        put_number(bytes, dimension, size, 8);
        put_number(bytes, dimension + (early ? 16 : 8), size, 8);
      });
    c.number(name + "version of layout", *base, layout, 1, {0, 1, 2, 4, 5, 255}, "has a layout of version");
    c.number(name + "compact", *base, layout + 1, 1, {0}, "is compact, expected contiguous data");
    c.number(name + "chunked", *base, layout + 1, 1, {2}, "is chunked, expected contiguous data");
    c.number(name + "virtual", *base, layout, 2, {0x0304}, "is a virtual dataset, expected contiguous data");
    c.number(name + "layout", *base, layout + 1, 1, {4, 255}, "has an unknown layout");
    c.number(name + "address", *base, layout + 2, 8, {base->size(), base->size() - 1, kHuge, kHdf5Nowhere - 8},
             "elements at byte");
    c.number(name + "address", *base, layout + 2, 8, {kHdf5Nowhere}, "at byte nowhere");
    c.number(name + "address", *base, layout + 2, 8, {0, 16, header, early ? 0x2a8ULL : kSelf}, "shares some with");
    c.number(name + "size", *base, layout + 10, 8, {0, 1, kHuge, kHdf5Nowhere}, "bytes, expected");
    c.number(name + "class", *base, type, 1, {0x13, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x20, 0x30, 0xff},
             "another element type");
    c.number(name + "class bits", *base, type + 1, 3, {1, 0xffffff}, "another element type");
    c.number(name + "size of type", *base, type + 4, 4, {0, 3, 1 << 20, ~0U}, "another element type");
    c.number(name + "precision", *base, type + 10, 2, {0, 7, 65535}, "another element type");
    c.number(name + "version of fill value", *base, fill, 1, {0, 4, 255}, "a fill value has version");
    if (early)
      c.number(name + "size of fill value", *base, fill + 4, 4, {1, 8, ~0U}, "a fill value's size is");
    else
      c.number(name + "flags of fill value", *base, fill + 1, 1, {0x20, 0x40, 0xff}, "it has a value");
  }
  // Dimensions whose product is the right number modulo 2^64.
  const std::size_t pixels = block_of(images(), "OHDR", 1), space = message_of(images(), pixels, 0x01).body + 4;
  c.add("product that overflows", images(), "elements at byte", [&](std::string& bytes) {
    const std::uint64_t sizes[] = {std::uint64_t{1} << 32, std::uint64_t{1} << 32, 60};
    for (int i = 0; i < 3; ++i)
      for (int part = 0; part < 2; ++part)
        put_number(bytes, space + static_cast<std::size_t>(8 * i + 24 * part), sizes[i], 8);
  });
  const std::size_t labels = block_of(images(), "OHDR", 2);
  c.add("two datasets in one place", images(), "shares some with a dataset's numbers", [&](std::string& bytes) {
    put_number(bytes, message_of(bytes, labels, 0x08).body + 2,
               number_at(bytes, message_of(bytes, pixels, 0x08).body + 2, 8), 8);
  });
  c.add("two names of one object", images(), "shares some with an object header", [&](std::string& bytes) {
    const MessagePlace link = message_of(bytes, kSelf, 0x06, 1);
    put_number(bytes, link.body + link.size - 8, pixels, 8);
  });
  c.add("the root within itself", images(), "shares some with an object header", [&](std::string& bytes) {
    const MessagePlace link = message_of(bytes, kSelf, 0x06, 1);
    put_number(bytes, link.body + link.size - 8, kSelf, 8);
  });
  c.add("one name twice", images(), "holds two objects /pixels", [&](std::string& bytes) {
    const MessagePlace link = message_of(bytes, kSelf, 0x06, 1);
    bytes.replace(link.body + 3, 6, "pixels");
  });
}

void links_and_attributes(Collection& c) {
  const std::string& base = shard();
  const std::size_t link = message_of(base, kSelf, 0x06).body, info = message_of(base, kSelf, 0x02).body,
                    group = message_of(base, kSelf, 0x0a).body, attributes = message_of(base, kSelf, 0x15).body,
                    attribute = message_of(base, kSelf, 0x0c).body;
  c.number("version of link", base, link, 1, {0, 2, 255}, "a link's version is");
  c.number("flags of link", base, link + 1, 1, {4, 0x20, 0x40, 0xff}, "a link's flags are");
  for (const auto& [kind, what] :
       std::initializer_list<std::pair<int, const char*>>{{1, "is a soft link"},
                                                          {64, "is an external link"},
                                                          {65, "is a link of another kind"},
                                                          {255, "is a link of another kind"}})
    c.add(fmt::format("link of kind {}", kind), base, what, [&, k = kind](std::string& bytes) {
      bytes.replace(link, 9, std::string("\1\x8\0\5token", 9));
      put_number(bytes, link + 2, static_cast<std::uint64_t>(k), 1);
    });
  c.number("length of link's name", base, link + 2, 1, {255}, "but only");
  c.number("length of link's name", base, link + 2, 1, {0}, "a name is empty");
  for (const std::string_view name : {"tok/ns"sv, "../../"sv, "tok\0ns"sv, "tok\nns"sv, "\x1b[2Jxx"sv, "tok\xffns"sv})
    c.add(fmt::format("name {:02x}", static_cast<unsigned char>(name[3])), base, "characters other than",
          [&](std::string& bytes) { bytes.replace(link + 3, 6, name); });
  c.number("link", base, link + 9, 8, {base.size(), kHuge, kHdf5Nowhere}, "lies outside the file");
  c.number("link", base, link + 9, 8, {0, 64}, "expected 1");
  c.number("version of link info", base, info, 1, {1, 255}, "the version of a group's link info is");
  c.number("flags of link info", base, info + 1, 1, {1, 2, 255}, "the flags of a group's link info is");
  c.number("heap without index", base, info + 2, 8, {0, kSelf, kHuge}, "without");
  c.number("index without heap", base, info + 10, 8, {0, kSelf, kHuge}, "without");
  c.number("version of group info", base, group, 1, {1}, "the version of a group's info is");
  c.number("flags of group info", base, group + 1, 1, {1, 2, 255}, "the flags of a group's info is");
  c.number("flags of attribute info", base, attributes + 1, 1, {1, 2, 255}, "the flags of attribute info is");
  c.number("heap of attributes", base, attributes + 2, 8, {0, kSelf, kHuge}, "keeps attributes in a heap");
  c.number("index of attributes", base, attributes + 10, 8, {0, kSelf, kHuge}, "keeps attributes in a heap");
  c.number("version of attribute", base, attribute, 1, {0, 4, 255}, "an attribute has version");
  c.number("flags of attribute", base, attribute + 1, 1, {1, 2, 3}, "an attribute's flags is");
  c.number("size of attribute's name", base, attribute + 2, 2, {0}, "does not end with a zero");
  c.number("size of attribute's name", base, attribute + 2, 2, {3}, "does not end with a zero");
  c.number("size of attribute's name", base, attribute + 2, 2, {65535}, "but only");
  c.number("size of attribute's type", base, attribute + 4, 2, {0, 65535}, "where it stands");
  c.number("size of attribute's space", base, attribute + 6, 2, {0, 65535}, "where it stands");
  c.number("attribute's character set", base, attribute + 8, 1, {2, 255}, "the character set of an attribute's name");
  const std::size_t type = attribute + 9 + number_at(base, attribute + 2, 2), space = type + 8;
  c.number("attribute's class", base, type, 1, {0x10, 0x11, 0x16, 0x17, 0x18, 0x1a, 0x23, 0xff},
           "is not a short string");
  c.number("attribute's class bits", base, type + 1, 3, {2, 0x20, 0xffffff}, "is not a short string");
  c.number("attribute's size", base, type + 4, 4, {0, ~0U, 1 << 17}, "is not a short string");
  c.number("attribute's size", base, type + 4, 4, {200}, "but only");
  c.number("attribute's rank", base, space + 1, 1, {1, 33, 255}, "dataspace");
  c.add("attribute twice", written({{"x", Element::u8, 4}}, {{"aa", "1"}, {"ab", "2"}}), "has attribute 'aa' twice",
        [](std::string& bytes) { bytes[block_of(bytes, "ab") + 1] = 'a'; });
  const std::string& early = old();
  const MessagePlace config = message_of(early, 96, 0x0c);
  const std::size_t value = config.body + 8 + 8 + 24 + 8;
  c.number("early: length of string", early, value, 4, {0, 1 << 17, ~0U}, "is not a short string");
  c.number("early: length of string", early, value, 4, {1, 385}, "bytes, expected");
  c.number("early: heap of string", early, value + 4, 8, {0, 96, 0x808}, "does not begin with GCOL");
  c.number("early: heap of string", early, value + 4, 8, {early.size(), kHuge, kHdf5Nowhere}, "lies outside the file");
  c.number("early: index of string", early, value + 12, 4, {0, 2, ~0U}, "has no string");
  const std::size_t heap = block_of(early, "GCOL");
  c.number("early: version of heap", early, heap + 4, 1, {0, 2}, "the version of a heap of strings is");
  c.number("early: size of heap", early, heap + 8, 8, {0, 15}, "has only");
  c.number("early: size of heap", early, heap + 8, 8, {kHuge, kHdf5Nowhere, 1 << 21}, "at most 1048576 are read");
  c.number("early: size of heap", early, heap + 8, 8, {5000}, "shares some");
  c.number("early: size in heap", early, heap + 24, 8, {1 << 16, kHuge, kHdf5Nowhere}, "but only");
}

void large_groups(Collection& c) {
  const std::string& base = wide();
  const std::size_t heap = block_of(base, "FRHP"), index = block_of(base, "BTHD"), node = block_of(base, "BTIN"),
                    leaf = block_of(base, "BTLF"), table = block_of(base, "FHIB"),
                    block = number_at(base, table + 17, 8), info = message_of(base, kSelf, 0x02).body;
  c.number("heap", base, info + 2, 8, {index, block}, "does not begin with FRHP");
  c.number("heap", base, info + 2, 8, {0, kSelf + 8}, "shares some with");
  c.number("heap", base, info + 2, 8, {base.size(), kHuge}, "lies outside the file");
  c.number("index", base, info + 10, 8, {base.size(), kHuge}, "lies outside the file");
  c.number("index", base, info + 10, 8, {heap}, "shares some with a heap of links");
  c.number("version of heap", base, heap + 4, 1, {1, 255}, "the version of a heap of links is");
  c.number("size of ids", base, heap + 5, 2, {0, 8, 65535}, "the size of a heap's ids is");
  c.number("filters of heap", base, heap + 7, 2, {1, 65535}, "the size of a heap's filters is");
  c.number("flags of heap", base, heap + 9, 1, {0, 1, 3}, "a heap's flags is");
  c.number("largest object", base, heap + 10, 4, {0, 65536, ~0U}, "the largest object of a heap is");
  c.number("huge objects", base, heap + 22, 8, {0, kSelf}, "the tree of a heap's huge objects is");
  c.number("number of objects", base, heap + 70, 8, {0, 59, 61, kHuge}, "objects, its index 60");
  c.number("number of tiny objects", base, heap + 102, 8, {1}, "tiny objects is");
  c.number("width", base, heap + 110, 2, {0, 1, 65535}, "the width of a heap's table is");
  c.number("first size", base, heap + 112, 8, {0, 256, kHuge}, "the first size of a heap's blocks is");
  c.number("largest size", base, heap + 120, 8, {0, 512, kHuge}, "the largest size of a heap's blocks is");
  c.number("bits of offsets", base, heap + 128, 2, {0, 64, 65535}, "the bits of a heap's offsets is");
  c.number("root of heap", base, heap + 132, 8, {heap}, "shares some with a heap of links");
  c.number("root of heap", base, heap + 132, 8, {0, kSelf}, "shares some with");
  c.number("root of heap", base, heap + 132, 8, {kHuge, kHdf5Nowhere}, "lies outside the file");
  c.number("rows", base, heap + 140, 2, {23, 65535}, "at most 22 exist");
  c.number("rows", base, heap + 140, 2, {0}, "does not begin with FHDB");
  c.number("heap of table", base, table + 5, 8, {0, kHuge}, "the address of the heap that a block belongs to is");
  c.number("offset of table", base, table + 13, 4, {512, ~0U}, "the offset of a heap's block is");
  c.number("block that is its table", base, table + 17, 8, {table}, "shares some with a table of blocks");
  c.number("block twice", base, table + 25, 8, {block}, "shares some with a block of a heap");
  c.number("block", base, table + 17, 8, {kHuge, base.size()}, "lies outside the file");
  c.number("block that is missing", base, table + 17, 8, {kHdf5Nowhere}, "lies in no block");
  c.number("heap of block", base, block + 5, 8, {0, table}, "the address of the heap that a block belongs to is");
  c.number("offset of block", base, block + 13, 4, {512, ~0U}, "the offset of a heap's block is");
  c.number("version of index", base, index + 4, 1, {1}, "the version of an index is");
  c.number("type of index", base, index + 5, 1, {0, 1, 6, 8, 255}, "the type of an index is");
  c.number("size of nodes", base, index + 6, 4, {0, 1, 513, ~0U}, "the size of an index's nodes is");
  c.number("size of records", base, index + 10, 2, {0, 1, 65535}, "the size of an index's records is");
  c.number("depth", base, index + 12, 2, {7, 65535}, "at most 6 are read");
  c.number("depth", base, index + 12, 2, {0, 2, 6}, "");
  c.number("root of index", base, index + 16, 8, {kHuge, kHdf5Nowhere, base.size() - 1}, "lies outside the file");
  c.number("root of index", base, index + 16, 8, {index, 0, heap}, "shares some with");
  c.number("records of root", base, index + 24, 2, {0, 25, 65535}, "records, expected 1 to");
  c.number("records of index", base, index + 26, 8, {0, 59, kHuge}, "records, expected");
  const std::size_t pointers = node + 6 + 11 * number_at(base, index + 24, 2);
  c.number("child that is its parent", base, pointers, 8, {node}, "shares some with a node of an index");
  c.number("child twice", base, pointers + 9, 8, {number_at(base, pointers, 8)}, "shares some with a node of an index");
  c.number("child", base, pointers, 8, {kHuge, kHdf5Nowhere}, "lies outside the file");
  c.number("records of child", base, pointers + 8, 1, {0, 46, 255}, "records, expected 1 to 45");
  c.number("type of leaf", base, leaf + 5, 1, {6, 0}, "the type of a node is");
  c.number("signature of leaf", base, leaf, 4, {0}, "does not begin with BTLF");
  c.number("hash", base, leaf + 6, 4, {0, ~0U}, "does not have the hash");
  c.add("records out of order", base, "out of order", [&](std::string& bytes) {
    std::swap_ranges(bytes.begin() + static_cast<std::ptrdiff_t>(leaf) + 6,
                     bytes.begin() + static_cast<std::ptrdiff_t>(leaf) + 17,
                     bytes.begin() + static_cast<std::ptrdiff_t>(leaf) + 17);
  });
  c.number("kind of object", base, leaf + 10, 1, {1, 0x10, 0x20, 0xff}, "the kind of a heap's object is");
  c.number("offset of object", base, leaf + 11, 4, {0, 20, ~0U, 600 * 1024}, "lies in no block");
  c.number("size of object", base, leaf + 15, 2, {0, 4097, 65535}, "lies in no block");
  c.number("objects that share bytes", base, leaf + 11, 4, {number_at(base, leaf + 22, 4)}, "");
  c.number("size of object", base, leaf + 15, 2, {5}, "but only");
}

void early_groups(Collection& c) {
  const std::string& base = old();
  const std::size_t tree = 0x88, heap = 0x2a8, names = number_at(base, heap + 24, 8),
                    symbols = number_at(base, tree + 32, 8), message = message_of(base, 96, 0x11).body;
  c.number("tree", base, message, 8, {0, kHuge}, "keeps its members elsewhere");
  const auto both = [&](std::uint64_t tree_at, std::uint64_t heap_at, const char* expected) {
    c.add(fmt::format("tree {:#x}, heap {:#x}", tree_at, heap_at), base, expected, [&](std::string& bytes) {
      for (const std::size_t place : {message, std::size_t{80}}) {
        put_number(bytes, place, tree_at, 8);
        put_number(bytes, place + 8, heap_at, 8);
      }
    });
  };
  both(tree, tree, "does not begin with HEAP");
  both(heap, heap, "shares some with a heap of names");
  both(kHdf5Nowhere, heap, "lies outside the file");
  both(tree, kHdf5Nowhere, "lies outside the file");
  both(base.size() - 100, heap, "lies outside the file");
  both(96, heap, "shares some with an object header");
  c.number("version of heap", base, heap + 4, 1, {1}, "the version of a heap of names is");
  c.number("size of names", base, heap + 8, 8, {0}, "is empty");
  c.number("size of names", base, heap + 8, 8, {kHuge, kHdf5Nowhere, 1 << 21}, "at most 1048576 are read");
  c.number("size of names", base, heap + 8, 8, {8}, "bytes of names");
  c.number("names", base, heap + 24, 8, {0, heap, 96}, "shares some with");
  c.number("names", base, heap + 24, 8, {kHuge, kHdf5Nowhere, base.size() - 1}, "lies outside the file");
  c.number("type of tree", base, tree + 4, 1, {1, 255}, "the type of a tree of symbols is");
  c.number("level", base, tree + 5, 1, {9, 255}, "expected a few");
  c.number("level", base, tree + 5, 1, {1}, "does not begin with TREE");
  c.number("children", base, tree + 6, 2, {33, 65535}, "at most 32 fit");
  c.number("children", base, tree + 6, 2, {2}, "");
  c.number("key", base, tree + 24, 8, {names, kHuge, kHdf5Nowhere}, "the key of a node is name");
  c.number("child", base, tree + 32, 8, {tree}, "shares some with a node of a tree");
  c.number("child", base, tree + 32, 8, {kHuge, kHdf5Nowhere, base.size() - 8}, "lies outside the file");
  c.number("child", base, tree + 32, 8, {heap}, "shares some with a heap of names");
  c.add("a tree that is its own child", base, "shares some with a node of a tree", [&](std::string& bytes) {
    put_number(bytes, tree + 5, 1, 1);
    put_number(bytes, tree + 32, tree, 8);
  });
  c.number("version of table", base, symbols + 4, 1, {0, 2}, "the version of a table of symbols is");
  c.number("symbols", base, symbols + 6, 2, {9, 65535}, "at most 8 fit");
  c.number("name", base, symbols + 8, 8, {88, kHuge, kHdf5Nowhere}, "bytes of names");
  c.number("name", base, symbols + 8, 8, {87}, "");
  c.number("name again", base, symbols + 48, 8, {number_at(base, symbols + 8, 8)}, "not in the order of their names");
  c.number("object", base, symbols + 16, 8, {kHuge, kHdf5Nowhere, base.size()}, "lies outside the file");
  c.number("object", base, symbols + 16, 8, {96}, "shares some with an object header");
  c.number("object again", base, symbols + 56, 8, {number_at(base, symbols + 16, 8)},
           "shares some with an object header");
  c.number("kind", base, symbols + 24, 4, {2}, "is a soft link");
  c.number("kind", base, symbols + 24, 4, {1, 3, ~0U}, "");
  c.number("names that do not end", base, names + 8, 8, {~std::uint64_t{0}}, "characters other than");
}

std::vector<Hostile> hostile_structures() {
  Collection c;
  superblocks(c);
  object_headers(c);
  datasets(c);
  links_and_attributes(c);
  large_groups(c);
  early_groups(c);
  return c.all;
}

TEST(HostileStructure, WhatTheyAreMadeFromIsAccepted) {
  ScratchFile scratch;
  for (const std::string* base : {&shard(), &images(), &wide(), &old()}) {
    EXPECT_EQ(error_of([&] { read_hdf5_structure(scratch.holding(*base), Hdf5Groups::nested, "fix"); }), "no error");
    EXPECT_EQ(sealed(*base, scratch), *base);
  }
  EXPECT_EQ(read_hdf5_structure(scratch.holding(wide()), Hdf5Groups::none, "fix").datasets.size(), 60U);
}

TEST(HostileStructure, EachIsRefusedWithItsPlaceAndNoneReachesHdf5) {
  const std::vector<Hostile> all = hostile_structures();
  const int before = files_given_to_hdf5();
  const TemporaryDirectory directory;
  ScratchFile scratch;
  std::set<std::string> different;
  for (const Hostile& hostile : all) {
    SCOPED_TRACE(hostile.name);
    different.insert(hostile.bytes);
    EXPECT_THAT(error_of([&] { read_hdf5_structure(scratch.holding(hostile.bytes), Hdf5Groups::nested, "fix"); }),
                AllOf(StartsWith("65: "), HasSubstr(hostile.expected), HasSubstr("(at byte "),
                      testing::Not(HasSubstr("checksum"))));
    put_file(directory / "v.h5", hostile.bytes);
    EXPECT_THAT(error_of([&] { read_vocabulary(directory / "v.h5"); }), AllOf(StartsWith("65: "), HasSubstr("v.h5")));
    fs::remove(directory / "v.h5");
  }
  EXPECT_GE(different.size(), 400U);
  EXPECT_EQ(files_given_to_hdf5(), before);
}

}  // namespace
}  // namespace trellis
