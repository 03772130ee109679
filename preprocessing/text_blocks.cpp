#include "preprocessing/text_blocks.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <fmt/core.h>
#include <mutex>
#include <span>
#include <sys/stat.h>
#include <thread>

#include "base/errors.h"
#include "base/stop_request.h"
#include "base/system_error.h"
#include "corpus/utf8.h"
#include "preprocessing/file_kind.h"

namespace trellis {
namespace {

constexpr std::int64_t kBlockBytes = 1 << 20;
static_assert(kBlockBytes > 2 * kMaxWordBytes);

std::int64_t modified_ns(const File& file) {
  struct stat status {};
  if (::fstat(file.descriptor(), &status) != 0) throw_unreadable(file.path(), errno);
  return status.st_mtim.tv_sec * 1'000'000'000LL + status.st_mtim.tv_nsec;
}

[[noreturn]] void throw_changed(const TextFile& file, std::int64_t bytes) {
  throw DataError(fmt::format("changed while it was being read: {} bytes at first, {} now", file.bytes, bytes),
                  file.path.string(), "leave the input files alone and run again");
}

// Where a block that begins at `text` and does not reach the file's end may be cut: 0 if nowhere.
std::size_t last_cut(std::string_view text, Unit unit) {
  if (unit == Unit::byte) return text.size();
  std::size_t cut = text.size();
  if (unit == Unit::word) {
    while (cut > 0 && !is_space(text[cut - 1])) --cut;
    return cut;
  }
  // Before the last code point's first byte; a malformed end is left for the next block to report.
  for (std::size_t back = 1; back <= 4 && back < text.size(); ++back)
    if ((static_cast<unsigned char>(text[text.size() - back]) & 0xC0) != 0x80) return text.size() - back;
  return cut;
}

// Hands out the blocks in order. One caller at a time.
class BlockSource {
 public:
  BlockSource(const std::vector<TextFile>& files, Unit unit) : files_(files), unit_(unit) {}

  std::optional<TextBlock> next(std::vector<char>& buffer) {
    if (index_ == files_.size()) return std::nullopt;
    const TextFile& expected = files_[index_];
    if (!file_) {
      file_ = File::open_to_read(expected.path);
      if (file_->size() != expected.bytes || modified_ns(*file_) != expected.modified_ns)
        throw_changed(expected, file_->size());
      offset_ = unit_ == Unit::byte ? 0 : mark_bytes(*file_);
    }
    const std::int64_t length = std::min(kBlockBytes, expected.bytes - offset_);
    buffer.resize(static_cast<std::size_t>(length));
    if (file_->read_some_at(offset_, std::as_writable_bytes(std::span(buffer))) != buffer.size())
      throw_changed(expected, file_->size());
    TextBlock block{{{buffer.data(), buffer.size()}, offset_ + length == expected.bytes}, &expected.path, offset_};
    if (!block.ends_file) {
      const std::size_t cut = last_cut(block.text, unit_);
      if (cut == 0)
        throw DataError(fmt::format("a word of more than {} bytes", kMaxWordBytes),
                        fmt::format("{}: byte {}", expected.path.string(), offset_),
                        "is this text? --unit byte takes any file");
      block.text = block.text.substr(0, cut);
    }
    offset_ += static_cast<std::int64_t>(block.text.size());
    if (block.ends_file) {
      if (file_->size() != expected.bytes || modified_ns(*file_) != expected.modified_ns)
        throw_changed(expected, file_->size());
      file_.reset();
      ++index_;
    }
    return block;
  }

 private:
  // Length of the byte order mark at the file's start, 0 or 3.
  static std::int64_t mark_bytes(const File& file) {
    char start[3] = {};
    const std::size_t got = file.read_some_at(0, std::as_writable_bytes(std::span(start)));
    return got == 3 && std::string_view(start, 3) == kByteOrderMark ? 3 : 0;
  }

  const std::vector<TextFile>& files_;
  Unit unit_;
  std::size_t index_ = 0;
  std::optional<File> file_;
  std::int64_t offset_ = 0;
};

}  // namespace

TextFile look_at(const std::filesystem::path& path, Unit unit) {
  const File file = File::open_to_read(path);
  const TextFile seen{path, file.size(), modified_ns(file)};
  if (seen.bytes == 0) throw DataError("is empty", path.string(), "name a file that has text in it");
  refuse_foreign_text(file, unit);
  return seen;
}

void for_each_block(const std::vector<TextFile>& files, Unit unit, int threads,
                    const std::function<void(const TextBlock&, int)>& work,
                    const std::function<void(const TextBlock&, int)>& finish) {
  BlockSource source(files, unit);
  std::mutex reading, finishing;
  std::condition_variable turn_changed;
  std::int64_t taken = 0, turn = 0;  // blocks handed out; the one to be finished next
  bool failed = false;
  std::exception_ptr failure;

  const auto worker = [&](int thread) {
    std::vector<char> buffer;
    for (bool more = true; more;) {
      std::optional<TextBlock> block;
      std::exception_ptr problem;
      std::int64_t mine = 0;
      {
        const std::lock_guard lock(reading);
        mine = taken++;
        try {
          throw_if_stop_requested();
          block = source.next(buffer);
        } catch (...) {
          problem = std::current_exception();
        }
      }
      if (block) try {
          work(*block, thread);
        } catch (...) {
          problem = std::current_exception();
        }
      std::unique_lock lock(finishing);
      turn_changed.wait(lock, [&] { return turn == mine || failed; });
      if (failed) return;
      if (!problem && block) try {
          finish(*block, thread);
        } catch (...) {
          problem = std::current_exception();
        }
      if (problem) {
        failure = problem;
        failed = true;
      }
      more = block && !problem;
      ++turn;
      turn_changed.notify_all();
    }
  };
  if (threads <= 1) {
    worker(0);
  } else {
    std::vector<std::jthread> pool;
    for (int thread = 0; thread < threads; ++thread) pool.emplace_back(worker, thread);
  }
  if (failure) std::rethrow_exception(failure);
}

std::int64_t line_of(const std::filesystem::path& path, std::int64_t offset) {
  const File file = File::open_to_read(path);
  std::vector<char> buffer(static_cast<std::size_t>(kBlockBytes));
  std::int64_t line = 1;
  for (std::int64_t at = 0; at < offset;) {
    const auto wanted = static_cast<std::size_t>(std::min(kBlockBytes, offset - at));
    const std::size_t got = file.read_some_at(at, std::as_writable_bytes(std::span(buffer).first(wanted)));
    if (got == 0) break;
    line += std::count(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(got), '\n');
    at += static_cast<std::int64_t>(got);
  }
  return line;
}

}  // namespace trellis
