#include "hdf5/object_header.h"

#include <fmt/core.h>
#include <utility>

namespace trellis {
namespace {

constexpr const char* kHeader = "an object header";
constexpr const char* kContinuation = "an object header's continuation";
constexpr std::size_t kLongestPrefix = 4 + 1 + 1 + 16 + 8;  // of version 2; that of version 1 is shorter
constexpr std::size_t kMostMessages = 4096;
constexpr std::uint64_t kChecksumBytes = 4, kSignatureBytes = 4;
constexpr std::uint64_t kConstant = 1, kNeverShared = 4;  // flags of a message that mean nothing to a reader

struct Continuation {
  std::uint64_t at, length;
};

// What both versions have in common: messages in blocks, and blocks that name further ones.
class HeaderReader {
 public:
  HeaderReader(Hdf5Source& source, std::uint64_t at) : source_(source) { header_.at = at; }

  Hdf5ObjectHeader read() && {
    const std::vector<std::byte> beginning = source_.peek(header_.at, kLongestPrefix, kHeader);
    Hdf5Cursor prefix(source_, beginning, header_.at);
    if (beginning.front() == std::byte{'O'})
      read_version_2(prefix);
    else
      read_version_1(prefix);
    return std::move(header_);
  }

 private:
  void read_version_1(Hdf5Cursor prefix) {
    header_.version = 1;
    prefix.expect(1, 1, "an object header's version");
    prefix.expect(1, 0, "a reserved byte");
    const std::uint64_t promised = prefix.number(2, "an object header's number of messages");
    prefix.expect(4, 1, "the number of names that lead to an object");
    const std::uint64_t length = prefix.number(4, "an object header's size");
    constexpr std::uint64_t kPrefixBytes = 16;  // with four bytes up to a multiple of 8
    add_block(header_.at, kPrefixBytes + length, kHeader);
    Hdf5Cursor block = cursor_of_last(header_.at);
    block.skip(kPrefixBytes, kHeader);
    read_messages(block);
    for (std::size_t next = 0; next < continuations_.size(); ++next) {
      const Continuation continuation = continuations_[next];
      add_block(continuation.at, continuation.length, kContinuation);
      read_messages(cursor_of_last(continuation.at));
    }
    if (all_messages_ != promised)
      source_.refuse(fmt::format("an object header has {} messages, expected {}", all_messages_, promised), header_.at);
  }

  void read_version_2(Hdf5Cursor prefix) {
    header_.version = 2;
    prefix.expect("OHDR", kHeader);
    prefix.expect(1, 2, "an object header's version");
    const std::uint64_t flags = prefix.number(1, "an object header's flags");
    constexpr std::uint64_t kWidthOfSize = 0x03, kTimes = 0x20;
    if ((flags & ~(kWidthOfSize | kTimes)) != 0)
      prefix.refuse(
          fmt::format("an object header's flags are {:#x}, expected none but the width of its size and times", flags));
    if ((flags & kTimes) != 0) prefix.skip(16, "an object's times");
    const std::uint64_t length = prefix.number(1 << (flags & kWidthOfSize), "an object header's size");
    const std::uint64_t prefix_bytes = prefix.at() - header_.at;
    if (length > source_.size())
      prefix.refuse(fmt::format("an object header has {} bytes, more than the file", length));
    add_block(header_.at, prefix_bytes + length + kChecksumBytes, kHeader);
    source_.verify(header_.blocks.back(), header_.at, kHeader);
    Hdf5Cursor block = cursor_of_last(header_.at);
    block.skip(prefix_bytes, kHeader);
    read_messages(block.part(length, kHeader));
    for (std::size_t next = 0; next < continuations_.size(); ++next) {
      const Continuation continuation = continuations_[next];
      if (continuation.length < kSignatureBytes + kChecksumBytes)
        source_.refuse(fmt::format("{} has only {} bytes", kContinuation, continuation.length), continuation.at);
      add_block(continuation.at, continuation.length, kContinuation);
      Hdf5Cursor more = cursor_of_last(continuation.at);
      more.expect("OCHK", kContinuation);
      source_.verify(header_.blocks.back(), continuation.at, kContinuation);
      read_messages(more.part(more.left() - kChecksumBytes, kContinuation));
    }
  }

  void add_block(std::uint64_t at, std::uint64_t length, const char* what) {
    header_.blocks.push_back(source_.take(at, length, what));
  }
  Hdf5Cursor cursor_of_last(std::uint64_t at) const { return {source_, header_.blocks.back(), at}; }

  void read_messages(Hdf5Cursor block) {
    const bool old = header_.version == 1;
    const std::size_t least = old ? 8 : 4;  // bytes before a message's body
    while (block.left() >= least) {         // version 2 may leave a gap that is too small for a message
      const Hdf5Cursor beginning = block;
      const auto type = static_cast<Hdf5MessageType>(block.number(old ? 2 : 1, "a message's type"));
      const std::uint64_t length = block.number(2, "a message's size"), flags = block.number(1, "a message's flags");
      if (old) block.expect(3, 0, "reserved bytes");
      if (old && length % 8 != 0)
        beginning.refuse(fmt::format("a message has {} bytes, expected a multiple of 8", length));
      if ((flags & ~(kConstant | kNeverShared)) != 0)
        beginning.refuse(fmt::format("a message of type {:#x} has flags {:#x}: it is shared, or not of this format",
                                     static_cast<int>(type), flags));
      if (++all_messages_ > kMostMessages)
        beginning.refuse(fmt::format("an object header has more than {} messages", kMostMessages));
      Hdf5Cursor body = block.part(length, "a message");
      if (type == Hdf5MessageType::nothing) continue;
      if (type == Hdf5MessageType::continuation) {
        const std::uint64_t at = body.address("a continuation's address");
        continuations_.push_back({at, body.number(8, "a continuation's size")});
      } else {
        header_.messages.push_back({type, body});
      }
    }
    if (old && block.left() != 0) block.refuse("an object header ends within a message");
  }

  Hdf5Source& source_;
  Hdf5ObjectHeader header_;
  std::vector<Continuation> continuations_;
  std::size_t all_messages_ = 0;
};

}  // namespace

Hdf5ObjectHeader read_hdf5_object_header(Hdf5Source& source, std::uint64_t at) {
  return HeaderReader(source, at).read();
}

}  // namespace trellis
