// How much LibTorch holds on the CPU at a time, where every tensor's memory comes from; for ranks as threads, too.
#pragma once

#include <c10/core/CPUAllocator.h>

#include <atomic>
#include <cstdint>

namespace trellis {

// Hands everything on to the allocator that was there. What was allocated before it counts for nothing; what was allocated by it
// may be freed after it.
class PeakAllocator final : public at::Allocator {
 public:
  PeakAllocator() : inner_(c10::GetCPUAllocator()) {
    held_ = 0, peak_ = 0;
    c10::SetCPUAllocator(this, 255);
  }
  ~PeakAllocator() override { c10::SetCPUAllocator(inner_, 255); }

  at::DataPtr allocate(std::size_t bytes) override {
    auto* const block = new Block{inner_->allocate(bytes), static_cast<std::int64_t>(bytes)};
    const std::int64_t held = held_ += block->bytes;
    std::int64_t peak = peak_;
    while (held > peak && !peak_.compare_exchange_weak(peak, held)) {}
    return {block->memory.get(), block, &release, block->memory.device()};
  }
  at::DeleterFnPtr raw_deleter() const override { return nullptr; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override { default_copy_data(to, from, bytes); }

  // Bytes: now, and the most since begin().
  static std::int64_t held() { return held_; }
  static std::int64_t peak() { return peak_; }
  static void begin() { peak_ = held_.load(); }

 private:
  struct Block {
    at::DataPtr memory;
    std::int64_t bytes;
  };
  static void release(void* context) {
    auto* const block = static_cast<Block*>(context);
    held_ -= block->bytes;
    delete block;
  }

  at::Allocator* inner_;
  static inline std::atomic<std::int64_t> held_ = 0, peak_ = 0;
};

}  // namespace trellis
